namespace Offload.Storage.Memory;

/// <summary>A part of a <see cref="MemoryLimit"/>, held until disposed. It is a number, not memory. Any thread may dispose it.</summary>
public sealed class MemoryReservation : IDisposable
{
    private MemoryLimit? _limit;

    internal MemoryReservation(MemoryLimit limit, long sizeBytes, string what)
    {
        _limit = limit;
        SizeBytes = sizeBytes;
        What = what;
    }

    /// <summary>How much is held.</summary>
    public long SizeBytes { get; }

    /// <summary>What for, as messages name it.</summary>
    public string What { get; }

    /// <summary>Gives it back; idempotent.</summary>
    public void Dispose() => Interlocked.Exchange(ref _limit, null)?.Release(this);
}
