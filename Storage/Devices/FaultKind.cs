namespace Offload.Storage.Devices;

/// <summary>What goes wrong.</summary>
internal enum FaultKind
{
    /// <summary>Nothing is transferred; an errno is reported.</summary>
    Error,

    /// <summary>Only the first bytes are transferred, and that is reported.</summary>
    ShortTransfer,

    /// <summary>All is well, but late.</summary>
    Delay,

    /// <summary>One bit is wrong, and success is reported.</summary>
    FlippedBit,
}
