namespace Offload.Engine.Interop;

/// <summary>A folder that holds libtorch's shared libraries.</summary>
/// <param name="Folder">Absolute path of the folder with <c>libtorch_cpu.so</c>.</param>
/// <param name="Origin">How it was found.</param>
public sealed record LibtorchChoice(string Folder, LibtorchOrigin Origin)
{
    /// <summary>Whether the folder holds the CUDA libraries too.</summary>
    public bool HasCuda => File.Exists(Path.Combine(Folder, LibtorchLocator.TorchCuda));
}
