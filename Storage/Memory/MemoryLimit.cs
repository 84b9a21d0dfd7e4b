using System.Globalization;

namespace Offload.Storage.Memory;

/// <summary>A hard ceiling that several arenas and buffers share: whoever is about to allocate reserves first. Any thread.</summary>
public sealed class MemoryLimit
{
    private const int MaxNamedHolders = 5;

    private readonly object _gate = new();
    private readonly Dictionary<string, long> _heldBytes = new(StringComparer.Ordinal);
    private readonly string _name;
    private readonly string? _hint;
    private long _reservedBytes;
    private long _highWaterBytes;

    /// <param name="limitBytes">The ceiling.</param>
    /// <param name="name">Of the budget, for messages: "CPU memory".</param>
    /// <param name="hint">How a user can raise it: "Raise --cpu-memory."; null: there is no way.</param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is negative.</exception>
    public MemoryLimit(long limitBytes, string name = "memory", string? hint = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limitBytes);
        LimitBytes = limitBytes;
        _name = name;
        _hint = hint;
    }

    /// <summary>The ceiling.</summary>
    public long LimitBytes { get; }

    /// <summary>What is held now.</summary>
    public long ReservedBytes => Interlocked.Read(ref _reservedBytes);

    /// <summary>The most that was ever held at once.</summary>
    public long HighWaterBytes => Interlocked.Read(ref _highWaterBytes);

    /// <summary>Holds a part, or refuses: it never waits.</summary>
    /// <param name="sizeBytes">How much; zero is allowed.</param>
    /// <param name="what">What for, as messages name it: "tile slots".</param>
    /// <returns>The caller's, to be disposed when the memory is freed.</returns>
    /// <exception cref="MemoryLimitException">Not so much is left; says who holds the rest.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative.</exception>
    public MemoryReservation Reserve(long sizeBytes, string what)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        ArgumentNullException.ThrowIfNull(what);
        lock (_gate)
        {
            if (sizeBytes > LimitBytes - _reservedBytes)
            {
                throw RefusalLocked(sizeBytes, what);
            }

            _reservedBytes += sizeBytes;
            _highWaterBytes = Math.Max(_highWaterBytes, _reservedBytes);
            if (sizeBytes > 0)
            {
                _heldBytes[what] = _heldBytes.GetValueOrDefault(what) + sizeBytes;
            }
        }

        return new MemoryReservation(this, sizeBytes, what);
    }

    internal void Release(MemoryReservation reservation)
    {
        if (reservation.SizeBytes == 0)
        {
            return; // It is no holder.
        }

        lock (_gate)
        {
            _reservedBytes -= reservation.SizeBytes;
            long left = _heldBytes[reservation.What] - reservation.SizeBytes;
            if (left == 0)
            {
                _heldBytes.Remove(reservation.What);
            }
            else
            {
                _heldBytes[reservation.What] = left;
            }
        }
    }

    private static string Format(long sizeBytes) => sizeBytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{sizeBytes / (double)(1L << 30):F2} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{sizeBytes / (double)(1L << 20):F2} MiB"),
        _ => $"{sizeBytes} bytes",
    };

    private MemoryLimitException RefusalLocked(long sizeBytes, string what)
    {
        KeyValuePair<string, long>[] holders = [.. _heldBytes.OrderByDescending(holder => holder.Value).ThenBy(holder => holder.Key, StringComparer.Ordinal)];
        IEnumerable<string> named = holders.Take(MaxNamedHolders).Select(holder => $"{holder.Key} {Format(holder.Value)}");
        string others = holders.Length > MaxNamedHolders ? $" and {holders.Length - MaxNamedHolders} more" : "";
        string held = holders.Length == 0 ? "nothing is held" : $"held: {string.Join(", ", named)}{others}";
        return new MemoryLimitException(
            $"{_name}: {Format(sizeBytes)} for {what} do not fit: {Format(LimitBytes - _reservedBytes)} of the limit of {Format(LimitBytes)} are left; {held}", _hint);
    }
}
