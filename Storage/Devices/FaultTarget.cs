namespace Offload.Storage.Devices;

/// <summary>Which operations of a device a fault may hit, and which are counted to find it.</summary>
public enum FaultTarget
{
    /// <summary>Reads, writes and flushes alike.</summary>
    Any,

    /// <summary>Reads only.</summary>
    Read,

    /// <summary>Writes only.</summary>
    Write,

    /// <summary>Flushes only.</summary>
    Flush,
}
