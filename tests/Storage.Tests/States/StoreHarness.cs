using System.Text.Json;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;

namespace Offload.Storage.Tests.States;

/// <summary>Makes small stores and fills their tiles with patterns.</summary>
internal static unsafe class StoreHarness
{
    internal const long TileParameters = 4096;

    internal static JsonElement Owner { get; } = JsonDocument.Parse("""{"model":"tiny"}""").RootElement;

    /// <summary>Two units of AdamW's parts, three tiles and one; the second has an immutable part between mutable ones.</summary>
    internal static StoreDescription Small(int generations = 2) => new()
    {
        Units =
        [
            new StateUnit("embedding", (2 * TileParameters) + 100, [new("high", ElementType.BF16), new("moment", ElementType.F32)]),
            new StateUnit("layer 0", 1000, [new("low", ElementType.I16), new("codes", ElementType.U8, IsMutable: false), new("scale", ElementType.F32, ParametersPerElement: 256)]),
        ],
        TileParameters = TileParameters,
        Generations = generations,
        Owner = Owner,
    };

    internal static MemoryDevice DeviceFor(StoreDescription description) => new(StoreGeometry.Of(description).SizeBytes);

    /// <summary>Fills a tile's memory; a part's bytes depend on tile, part and version.</summary>
    internal static void Fill(StateStore store, TileId tile, byte* address, int version)
    {
        for (int part = 0; part < store.Description.Units[tile.Unit].Parts.Count; part++)
        {
            PartRange range = store.Geometry.Tile(tile).PartRange(part);
            new Random(Seed(tile, part, version)).NextBytes(new Span<byte>(address + range.OffsetBytes, range.PaddedBytes));
        }
    }

    /// <summary>Whether a part is as <see cref="Fill"/> makes it.</summary>
    internal static bool Holds(StateStore store, TileId tile, int part, byte* address, int version)
    {
        PartRange range = store.Geometry.Tile(tile).PartRange(part);
        byte[] expected = new byte[range.PaddedBytes];
        new Random(Seed(tile, part, version)).NextBytes(expected);
        return expected.AsSpan().SequenceEqual(new ReadOnlySpan<byte>(address + range.OffsetBytes, range.PaddedBytes));
    }

    internal static void Write(StateStore store, TileId tile, int version)
    {
        using var buffer = new NativeBuffer(store.Geometry.MaxTileBytes);
        Fill(store, tile, (byte*)buffer.Address, version);
        var transfer = new TileTransfer(store);
        transfer.PrepareWrite(tile, (byte*)buffer.Address, IoPriority.Background);
        store.Start(transfer);
        transfer.Wait();
    }

    internal static void WriteAll(StateStore store, int version)
    {
        foreach (TileId tile in store.Geometry.Tiles())
        {
            Write(store, tile, version);
        }
    }

    /// <summary>Asserts the contents of every tile: mutable parts of one version, immutable ones of another.</summary>
    internal static void AssertHolds(StateStore store, Func<TileId, int> version, int immutableVersion)
    {
        using var reader = new TileReader(store, store.Geometry.Tiles().Select(tile => new TileRead(tile, PartSet.All)));
        int numTiles = 0;
        while (reader.MoveNext())
        {
            IReadOnlyList<StatePart> parts = store.Description.Units[reader.Tile.Unit].Parts;
            for (int part = 0; part < parts.Count; part++)
            {
                int expected = parts[part].IsMutable ? version(reader.Tile) : immutableVersion;
                Assert.True(Holds(store, reader.Tile, part, reader.Address, expected), $"{reader.Tile}, part {part}: expected version {expected}");
            }

            numTiles++;
        }

        Assert.Equal(store.Geometry.NumTiles, numTiles);
    }

    private static int Seed(TileId tile, int part, int version) => (((((version * 31) + tile.Unit) * 31) + tile.Tile) * 31) + part;
}
