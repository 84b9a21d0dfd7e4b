using System.Numerics;

namespace Offload.Storage.States;

/// <summary>Some of a unit's parts, by index.</summary>
/// <param name="Bits">Bit i: part i.</param>
public readonly record struct PartSet(uint Bits)
{
    /// <summary>Every part of any unit.</summary>
    public static PartSet All => new(uint.MaxValue);

    /// <summary>One part.</summary>
    /// <param name="part">Index in <see cref="StateUnit.Parts"/>.</param>
    public static PartSet Of(int part)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(part);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(part, StoreDescription.MaxParts);
        return new PartSet(1u << part);
    }

    /// <summary>Whether there is none.</summary>
    public bool IsEmpty => Bits == 0;

    /// <summary>How many there are.</summary>
    public int Count => BitOperations.PopCount(Bits);

    /// <summary>Whether a part is one of them.</summary>
    /// <param name="part">Index in <see cref="StateUnit.Parts"/>.</param>
    public bool Contains(int part) => (Bits >> part & 1) != 0;

    /// <summary>Parts of either.</summary>
    /// <param name="other">More parts.</param>
    public PartSet With(PartSet other) => new(Bits | other.Bits);

    /// <summary>Parts of both.</summary>
    /// <param name="other">The parts allowed.</param>
    public PartSet And(PartSet other) => new(Bits & other.Bits);
}
