namespace Offload.Swap.Schedules;

/// <summary>The number that stands for a value in a slot: what it is, of which unit, and which micro-batch or tile.</summary>
public static class Content
{
    /// <summary>The number of a value.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="unit">Its unit; 0 for what has none.</param>
    /// <param name="part">Micro-batch or tile; 0 for what has none.</param>
    public static long Of(ContentKind kind, int unit, int part = 0) => ((long)kind << 56) | ((long)unit << 32) | (uint)part;

    /// <summary>What it is.</summary>
    public static ContentKind KindOf(long content) => (ContentKind)(content >> 56);

    /// <summary>Its unit.</summary>
    public static int UnitOf(long content) => (int)(content >> 32) & 0xFFFFFF;
}
