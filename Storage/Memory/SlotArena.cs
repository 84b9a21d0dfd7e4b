namespace Offload.Storage.Memory;

/// <summary>
/// A fixed number of equal slots of native memory that users take turns in. Who rents while none is free waits, in the order of arrival: that
/// is how a fast stage of a pipeline is held back by a slow one. Renting and returning allocate nothing. Any thread may rent, and return
/// what another rented. A slot's contents are zero at its first rent and whatever was left in it later (0xA5 if
/// <see cref="SlotArenaOptions.PoisonsReturned"/>). Pages exist only once touched, unless locked.
/// </summary>
public sealed unsafe class SlotArena : IDisposable
{
    /// <summary>Alignment of every slot: a page, and any disk's sector.</summary>
    public const int AlignmentBytes = 4096;

    private const byte Poison = 0xA5;

    private readonly object _gate = new();
    private readonly int[] _free; // A stack: the slot returned last is the one most likely still in the caches.
    private readonly uint[] _rentals; // Odd while rented.
    private readonly bool[] _isPoisoned;
    private readonly List<long> _waiting = []; // Tickets, oldest first.
    private readonly MemoryReservation? _reservation;
    private readonly bool _poisonsReturned;
    private readonly MappedRegion _region;
    private long _nextTicket;
    private int _numFree;
    private int _highWaterSlots;
    private bool _isDisposed;

    /// <param name="numSlots">How many.</param>
    /// <param name="slotBytes">Size of each; a multiple of 4096.</param>
    /// <param name="name">What it is for, in messages: "tile slots".</param>
    /// <param name="limit">Reserved from as long as the arena lives; null: unlimited.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, or not a multiple of 4096.</exception>
    /// <exception cref="MemoryLimitException">The limit, or the system, has no such room.</exception>
    public SlotArena(int numSlots, int slotBytes, string name, MemoryLimit? limit = null, SlotArenaOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(numSlots);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(slotBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(slotBytes % AlignmentBytes, 0, nameof(slotBytes));
        options ??= new SlotArenaOptions();
        Name = name;
        NumSlots = numSlots;
        SlotBytes = slotBytes;
        _poisonsReturned = options.PoisonsReturned;
        _free = [.. Enumerable.Range(0, numSlots).Reverse()];
        _rentals = new uint[numSlots];
        _isPoisoned = new bool[numSlots];
        _numFree = numSlots;
        long sizeBytes = (long)numSlots * slotBytes;
        _reservation = limit?.Reserve(sizeBytes, name);
        try
        {
            _region = new MappedRegion(sizeBytes, name, options);
        }
        catch
        {
            _reservation?.Dispose();
            throw;
        }
    }

    /// <summary>Bytes of all arenas that are not yet disposed.</summary>
    public static long OutstandingBytes => MappedRegion.OutstandingBytes;

    /// <summary>What it is for.</summary>
    public string Name { get; }

    /// <summary>Number of slots.</summary>
    public int NumSlots { get; }

    /// <summary>Size of each slot.</summary>
    public int SlotBytes { get; }

    /// <summary>Whether the kernel took the wish for huge pages; it still hands them out only as it has them.</summary>
    public bool HasHugePages => _region.HasHugePages;

    /// <summary>Whether it was asked for and granted that the memory stays in RAM.</summary>
    public bool IsLocked => _region.IsLocked;

    /// <summary>Why it is not locked though that was asked; one line; null: nothing went wrong.</summary>
    public string? LockProblem => _region.LockProblem;

    /// <summary>Slots rented and not returned.</summary>
    public int OutstandingSlots => NumSlots - Volatile.Read(ref _numFree);

    /// <summary>The most slots that were ever rented at once.</summary>
    public int HighWaterSlots => Volatile.Read(ref _highWaterSlots);

    /// <summary>Threads that wait for a slot now.</summary>
    internal int NumWaiting
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>First byte of all slots, which lie one after the other: for registering the region as a whole.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    internal byte* Region => _region.Address;

    /// <summary>Size of all slots together.</summary>
    internal long RegionBytes => _region.SizeBytes;

    /// <summary>Takes a slot; waits while none is free, first come, first served. Blocks.</summary>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The slot, the caller's until returned.</returns>
    /// <exception cref="OperationCanceledException">Cancelled before one was free.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed, or was while waiting.</exception>
    /// <exception cref="InvalidOperationException">The slot was written to after its return (only with <see cref="SlotArenaOptions.PoisonsReturned"/>).</exception>
    public Slot Rent(CancellationToken cancellation = default)
    {
        if (TryRent(out Slot slot))
        {
            return slot;
        }

        // Registered and unregistered outside the lock: unregistering waits for a callback that wants the lock.
        using CancellationTokenRegistration registration = cancellation.UnsafeRegister(static state => ((SlotArena)state!).WakeAll(), this);
        int index;
        lock (_gate)
        {
            long ticket = _nextTicket++;
            _waiting.Add(ticket);
            try
            {
                while (!_isDisposed && (_numFree == 0 || _waiting[0] != ticket))
                {
                    cancellation.ThrowIfCancellationRequested();
                    Monitor.Wait(_gate);
                }

                ObjectDisposedException.ThrowIf(_isDisposed, this);
                index = TakeLocked();
            }
            finally
            {
                _waiting.Remove(ticket);
                Monitor.PulseAll(_gate); // The next one is the oldest now.
            }
        }

        return Hand(index);
    }

    /// <summary>Takes a slot if one is free and nobody waits for it.</summary>
    /// <param name="slot">The slot, the caller's until returned; the default value if there was none.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    /// <exception cref="InvalidOperationException">The slot was written to after its return (only with <see cref="SlotArenaOptions.PoisonsReturned"/>).</exception>
    public bool TryRent(out Slot slot)
    {
        int index;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_numFree == 0 || _waiting.Count > 0)
            {
                slot = default;
                return false;
            }

            index = TakeLocked();
        }

        slot = Hand(index);
        return true;
    }

    /// <summary>Gives a slot back; nobody may touch it any more.</summary>
    /// <param name="slot">Of this arena, and rented.</param>
    /// <exception cref="ArgumentException">Another arena's, or none.</exception>
    /// <exception cref="InvalidOperationException">It was returned before.</exception>
    public void Return(Slot slot)
    {
        if (!ReferenceEquals(slot.Arena, this))
        {
            throw new ArgumentException($"the slot is not of the arena '{Name}' but of {(slot.Arena is null ? "none" : $"'{slot.Arena.Name}'")}", nameof(slot));
        }

        lock (_gate)
        {
            ThrowIfReturned(slot);
            _rentals[slot.Index]++;
        }

        // It is neither rented nor free now: this thread's alone.
        if (_poisonsReturned)
        {
            new Span<byte>(PlaceOf(slot.Index), SlotBytes).Fill(Poison);
            _isPoisoned[slot.Index] = true;
        }

        lock (_gate)
        {
            _free[_numFree++] = slot.Index;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Frees the memory and ends all waits; idempotent.</summary>
    /// <exception cref="InvalidOperationException">Slots are still rented: they are named, and nothing is freed, for a device may be writing to them.</exception>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            if (_numFree < NumSlots)
            {
                IEnumerable<int> rented = Enumerable.Range(0, NumSlots).Where(index => !_free.AsSpan(0, _numFree).Contains(index));
                throw new InvalidOperationException($"{Name}: {NumSlots - _numFree} of {NumSlots} slots are still rented: {string.Join(", ", rented)}");
            }

            _isDisposed = true;
            Monitor.PulseAll(_gate);
        }

        _region.Dispose();
        _reservation?.Dispose();
    }

    /// <summary>First byte of a slot that is rented.</summary>
    internal byte* AddressOf(Slot slot)
    {
        ThrowIfReturned(slot);
        return PlaceOf(slot.Index);
    }

    private byte* PlaceOf(int index) => _region.Address + ((long)index * SlotBytes);

    private void ThrowIfReturned(Slot slot)
    {
        if (Volatile.Read(ref _rentals[slot.Index]) != slot.Rental)
        {
            throw new InvalidOperationException($"{Name}: slot {slot.Index} was returned before");
        }
    }

    private void WakeAll()
    {
        lock (_gate)
        {
            Monitor.PulseAll(_gate);
        }
    }

    private int TakeLocked()
    {
        int index = _free[--_numFree];
        _highWaterSlots = Math.Max(_highWaterSlots, NumSlots - _numFree);
        return index;
    }

    /// <summary>Makes a slot that was taken from the free ones the caller's.</summary>
    private Slot Hand(int index)
    {
        int touched = _isPoisoned[index] ? new Span<byte>(PlaceOf(index), SlotBytes).IndexOfAnyExcept(Poison) : -1;
        uint rental = Volatile.Read(ref _rentals[index]) + 1;
        Volatile.Write(ref _rentals[index], rental);
        var slot = new Slot(this, index, rental);
        if (touched >= 0)
        {
            Return(slot);
            throw new InvalidOperationException($"{Name}: slot {index} was written to after its return, at byte {touched}");
        }

        return slot;
    }
}
