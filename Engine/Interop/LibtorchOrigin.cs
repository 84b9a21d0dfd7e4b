namespace Offload.Engine.Interop;

/// <summary>How a libtorch folder was found, in the order in which places are tried.</summary>
public enum LibtorchOrigin
{
    /// <summary>Named by <c>--libtorch</c>.</summary>
    Option,

    /// <summary>Named by the environment variable <c>OFFLOAD_LIBTORCH</c>.</summary>
    Environment,

    /// <summary>Beside the application.</summary>
    Application,

    /// <summary>In the NuGet package cache.</summary>
    NuGetCache,

    /// <summary>In a Python install's <c>torch</c> package.</summary>
    Python,
}
