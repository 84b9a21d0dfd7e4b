namespace Offload.Storage.Devices;

/// <summary>What a <see cref="FaultInjectingDevice"/> does to an operation. Immutable.</summary>
public sealed record Fault
{
    private Fault(FaultKind kind) => Kind = kind;

    internal FaultKind Kind { get; }

    internal int Errno { get; private init; }

    internal int TransferredBytes { get; private init; }

    internal long BitIndex { get; private init; }

    internal TimeSpan Lateness { get; private init; }

    /// <summary>The operation fails and transfers nothing.</summary>
    /// <param name="errno">What the system call would have returned: 5 for EIO, 28 for ENOSPC.</param>
    public static Fault Error(int errno) => new(FaultKind.Error) { Errno = errno };

    /// <summary>Only the first bytes are transferred: the request fails with a message that says how many of how many. A flush is not touched.</summary>
    /// <param name="transferredBytes">How many, rounded down to the device's alignment and to less than the request.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public static Fault ShortTransfer(int transferredBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(transferredBytes);
        return new(FaultKind.ShortTransfer) { TransferredBytes = transferredBytes };
    }

    /// <summary>The operation succeeds, but late. A request completes on a thread of the device; a flush returns late.</summary>
    /// <param name="lateness">At least this long after the submission.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public static Fault Delay(TimeSpan lateness)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lateness, TimeSpan.Zero);
        return new(FaultKind.Delay) { Lateness = lateness };
    }

    /// <summary>
    /// The operation succeeds, but one bit is wrong: in memory after a read (the device still holds the right one), on the device after a
    /// write (memory is not touched). A flush is not touched.
    /// </summary>
    /// <param name="bitIndex">Which, modulo the request's bits.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public static Fault FlippedBit(long bitIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bitIndex);
        return new(FaultKind.FlippedBit) { BitIndex = bitIndex };
    }

    /// <summary>The same fault with the flipped bit elsewhere.</summary>
    internal Fault AtBit(long bitIndex) => this with { BitIndex = bitIndex };
}
