namespace Offload.Storage.Devices;

/// <summary>A request that a <see cref="StripedDevice"/> has split; pooled by it, changed under its lock.</summary>
internal sealed class StripedTransfer
{
    /// <summary>The caller's request.</summary>
    internal BlockRequest? Outer { get; set; }

    /// <summary>Parts that are not done.</summary>
    internal int NumPending { get; set; }

    /// <summary>The first error of a part.</summary>
    internal Exception? Error { get; set; }
}
