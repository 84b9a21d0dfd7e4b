using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Engine.Optimizers;

/// <summary>The parts that a unit's states are stored as, and how the optimizer finds them in a tile: the one place that says so. Stateless: any thread.</summary>
internal static unsafe class AdamWParts
{
    /// <summary>Index of the master weights' high halves.</summary>
    public const int High = 0;

    /// <summary>Index of the master weights' low halves.</summary>
    public const int Low = 1;

    /// <summary>Index of the first moments.</summary>
    public const int FirstMoment = 2;

    /// <summary>Index of the second moments.</summary>
    public const int SecondMoment = 3;

    /// <summary>Bytes of all parts of a parameter.</summary>
    public const int BytesPerParameter = 12;

    /// <summary>All parts, in their order in a tile.</summary>
    public static IReadOnlyList<StatePart> All { get; } =
    [
        new("high", ElementType.BF16), new("low", ElementType.I16), new("first_moment", ElementType.F32), new("second_moment", ElementType.F32),
    ];

    /// <summary>The parts that are the master weights.</summary>
    public static PartSet Masters { get; } = PartSet.Of(High).With(PartSet.Of(Low));

    /// <summary>Where a tile's states lie.</summary>
    /// <param name="tile">First byte of the tile.</param>
    /// <param name="shape">Its shape.</param>
    public static AdamWStates In(byte* tile, TileShape shape) => new(
        (ushort*)(tile + shape.PartRange(High).OffsetBytes),
        (short*)(tile + shape.PartRange(Low).OffsetBytes),
        (float*)(tile + shape.PartRange(FirstMoment).OffsetBytes),
        (float*)(tile + shape.PartRange(SecondMoment).OffsetBytes));
}
