namespace Offload.Storage.Memory;

/// <summary>
/// A rented piece of a <see cref="SlotArena"/>. A value: copies are the same slot, and once one of them is returned none may be used. The
/// default value is no slot.
/// </summary>
public readonly unsafe record struct Slot
{
    internal Slot(SlotArena arena, int index, uint rental)
    {
        Arena = arena;
        Index = index;
        Rental = rental;
    }

    /// <summary>Where it comes from and must go back to; null only for the default value.</summary>
    public SlotArena? Arena { get; }

    /// <summary>Its place in the arena.</summary>
    public int Index { get; }

    /// <summary>Size.</summary>
    public int SizeBytes => Arena?.SlotBytes ?? 0;

    /// <summary>First byte, aligned to 4 KiB.</summary>
    /// <exception cref="InvalidOperationException">The slot was returned, or this is the default value.</exception>
    public byte* Address => Arena is null ? throw new InvalidOperationException("no slot") : Arena.AddressOf(this);

    /// <summary>The bytes.</summary>
    /// <exception cref="InvalidOperationException">The slot was returned, or this is the default value.</exception>
    public Span<byte> Bytes => new(Address, SizeBytes);

    /// <summary>Which rental of the place this is: tells a returned slot from the one rented after it.</summary>
    internal uint Rental { get; }
}
