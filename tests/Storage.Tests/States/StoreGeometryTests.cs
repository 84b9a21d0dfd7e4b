using FsCheck.Xunit;
using Offload.Storage.States;
using Offload.Tests.Infrastructure.States;

namespace Offload.Storage.Tests.States;

public sealed class StoreGeometryTests
{
    [Property(MaxTest = 300)]
    public void Of_AnyDescription_RangesAreDisjointAlignedAndComplete(int seed)
    {
        StoreDescription description = StorePatterns.Any(new Random(seed), maxUnits: 6);
        StoreGeometry geometry = StoreGeometry.Of(description);
        List<(long Begin, long End)> ranges =
        [
            (0, 2 * StorePreamble.SizeBytes),
            (geometry.HeaderOffsetBytes, geometry.HeaderOffsetBytes + (2 * geometry.HeaderPaddedBytes)),
            (geometry.CommitSlotsOffsetBytes, geometry.CommitSlotsOffsetBytes + (2 * geometry.CommitSlotBytes)),
        ];
        long[] parameters = new long[description.Units.Count];
        foreach (TileId tile in geometry.Tiles())
        {
            TileShape shape = geometry.Tile(tile);
            Assert.Equal(parameters[tile.Unit], shape.FirstParameter);
            parameters[tile.Unit] += shape.NumParameters;
            AddTile(ranges, geometry, tile, shape);
        }

        Assert.Equal(description.Units.Select(unit => unit.NumParameters), parameters);
        ranges.Sort();
        long end = 0;
        foreach ((long Begin, long End) range in ranges)
        {
            Assert.Equal(0, range.Begin % 4096);
            Assert.Equal(end, range.Begin); // Neither a gap nor an overlap.
            end = range.End;
        }

        Assert.Equal(geometry.SizeBytes, end);
    }

    [Fact]
    public void Of_ADescriptionThatNoStoreCanHave_SaysWhy()
    {
        StoreDescription good = StorePatterns.Small();
        StatePart part = good.Units[0].Parts[0];
        AssertRefused(good with { Generations = 3 }, "generations");
        AssertRefused(good with { TileParameters = 4000 }, "multiple of 4096");
        AssertRefused(good with { Units = [] }, "at least one unit");
        AssertRefused(good with { Owner = default }, "owner");
        AssertRefused(good with { Units = [new StateUnit("", 1, [part])] }, "a name");
        AssertRefused(good with { Units = [new StateUnit("a", 0, [part])] }, "parameters");
        AssertRefused(good with { Units = [new StateUnit("a", 1, [])] }, "parts");
        AssertRefused(good with { Units = [new StateUnit("a", 1, [part, part])] }, "no other part has");
        AssertRefused(good with { Units = [new StateUnit("a", 1, [part with { ParametersPerElement = 3 }])] }, "divide");
        AssertRefused(good with { Units = [new StateUnit("a", 1L << 48, [part])] }, "larger tiles are fewer");
        AssertRefused(good with { TileParameters = 1 << 30, Units = [new StateUnit("a", 1L << 40, [part])] }, "tiles of at most");
    }

    private static void AddTile(List<(long Begin, long End)> ranges, StoreGeometry geometry, TileId tile, TileShape shape)
    {
        StateUnit unit = geometry.Description.Units[tile.Unit];
        int offsetBytes = 0;
        PartSet changing = geometry.MutableParts(tile.Unit);
        long[] mutable = [geometry.MutableOffsetBytes(tile, 0), geometry.MutableOffsetBytes(tile, 1)];
        long immutable = geometry.ImmutableOffsetBytesOf(tile);
        for (int index = 0; index < unit.Parts.Count; index++)
        {
            PartRange range = shape.PartRange(index);
            Assert.Equal(offsetBytes, range.OffsetBytes);
            Assert.True(range.NumElements * (long)unit.Parts[index].ParametersPerElement >= shape.NumParameters);
            Assert.Equal(range.NumElements * unit.Parts[index].Type.SizeBytes(), range.SizeBytes);
            Assert.InRange(range.PaddedBytes, range.SizeBytes, range.SizeBytes + 4095);
            offsetBytes += range.PaddedBytes;
            if (!changing.Contains(index))
            {
                ranges.Add((immutable, immutable += range.PaddedBytes));
                continue;
            }

            for (int copy = 0; copy < geometry.Description.Generations; copy++)
            {
                ranges.Add((mutable[copy], mutable[copy] += range.PaddedBytes));
            }
        }

        Assert.Equal(offsetBytes, shape.SizeBytes);
        Assert.InRange(offsetBytes, 1, geometry.MaxTileBytes);
    }

    private static void AssertRefused(StoreDescription description, string expected) =>
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => StoreGeometry.Of(description)).Message, StringComparison.Ordinal);
}
