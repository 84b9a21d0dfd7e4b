namespace Offload.Storage.Devices;

/// <summary>What a <see cref="BlockRequest"/> asks of a device.</summary>
public enum BlockOperation
{
    /// <summary>Device to memory.</summary>
    Read,

    /// <summary>Memory to device.</summary>
    Write,
}
