namespace Offload.Storage.Memory;

/// <summary>How a <see cref="SlotArena"/> gets and guards its memory.</summary>
public sealed record SlotArenaOptions
{
    /// <summary>Asks the kernel for 2 MiB pages (madvise): fewer page-table entries for I/O to pin and for the CPU to walk. A wish, not a demand.</summary>
    public bool UsesHugePages { get; init; }

    /// <summary>Asks the kernel to keep it in RAM (mlock), touching every page at once. Ordinary users may often lock 8 MiB only; see <see cref="SlotArena.IsLocked"/>.</summary>
    public bool IsLocked { get; init; }

    /// <summary>
    /// Fills returned slots with 0xA5 and checks at the next rent that nobody wrote into them meanwhile: finds use after return, at the
    /// price of a write and a read of the slot. On in Debug builds.
    /// </summary>
#if DEBUG
    public bool PoisonsReturned { get; init; } = true;
#else
    public bool PoisonsReturned { get; init; }
#endif
}
