using System.Runtime.InteropServices;
using System.Text.Json;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;

namespace Offload.Tests.Infrastructure.States;

/// <summary>Small stores, and contents of tiles that say which version they are.</summary>
public static unsafe class StorePatterns
{
    public const long TileParameters = 4096;

    public static JsonElement Owner { get; } = JsonDocument.Parse("""{"model":"tiny"}""").RootElement;

    /// <summary>Two units: three tiles and one; the second has an immutable part between mutable ones.</summary>
    public static StoreDescription Small(int generations = 2) => new()
    {
        Units =
        [
            new StateUnit("embedding", (2 * TileParameters) + 100, [new("high", ElementType.BF16), new("moment", ElementType.F32)]),
            new StateUnit(
                "layer 0",
                1000,
                [new("low", ElementType.I16), new("codes", ElementType.U8, IsMutable: false), new("scale", ElementType.F32, ParametersPerElement: 256)]),
        ],
        TileParameters = TileParameters,
        Generations = generations,
        Owner = Owner,
    };

    /// <summary>Any description, small enough to be written whole in a millisecond.</summary>
    public static StoreDescription Any(Random random, int maxUnits = 3)
    {
        ElementType[] types = [ElementType.U8, ElementType.BF16, ElementType.F32, ElementType.I16];
        var units = new StateUnit[random.Next(1, maxUnits + 1)];
        for (int index = 0; index < units.Length; index++)
        {
            var parts = new StatePart[random.Next(1, 4)];
            for (int part = 0; part < parts.Length; part++)
            {
                parts[part] = new StatePart($"part {part}", types[random.Next(types.Length)], 1 << random.Next(0, 9), random.Next(4) != 0);
            }

            units[index] = new StateUnit($"unit {index}", random.Next(1, (int)(3 * TileParameters)), parts);
        }

        return new StoreDescription { Units = units, TileParameters = TileParameters, Generations = random.Next(4) == 0 ? 1 : 2, Owner = Owner };
    }

    public static MemoryDevice DeviceFor(StoreDescription description) => new(StoreGeometry.Of(description).SizeBytes);

    /// <summary>Fills a tile's memory, padding too; the bytes depend on tile, part and version.</summary>
    public static void Fill(StateStore store, TileId tile, byte* address, int version)
    {
        ArgumentNullException.ThrowIfNull(store);
        for (int part = 0; part < store.Description.Units[tile.Unit].Parts.Count; part++)
        {
            ulong word = Seed(tile, part, version);
            foreach (ref ulong place in Words(store, tile, part, address))
            {
                place = word;
                word = Next(word);
            }
        }
    }

    /// <summary>Whether a part is as <see cref="Fill"/> makes it.</summary>
    public static bool Holds(StateStore store, TileId tile, int part, byte* address, int version)
    {
        ArgumentNullException.ThrowIfNull(store);
        ulong word = Seed(tile, part, version);
        foreach (ulong place in Words(store, tile, part, address))
        {
            if (place != word)
            {
                return false;
            }

            word = Next(word);
        }

        return true;
    }

    /// <summary>Writes a tile and waits.</summary>
    public static void Write(StateStore store, TileId tile, int version)
    {
        ArgumentNullException.ThrowIfNull(store);
        using var buffer = new NativeBuffer(store.Geometry.MaxTileBytes);
        Fill(store, tile, (byte*)buffer.Address, version);
        var transfer = new TileTransfer(store);
        transfer.PrepareWrite(tile, (byte*)buffer.Address, IoPriority.Background);
        store.Start(transfer);
        transfer.Wait();
    }

    /// <summary>Writes all tiles.</summary>
    public static void WriteAll(StateStore store, int version)
    {
        ArgumentNullException.ThrowIfNull(store);
        foreach (TileId tile in store.Geometry.Tiles())
        {
            Write(store, tile, version);
        }
    }

    /// <summary>Reads everything and compares.</summary>
    /// <param name="store">What to read.</param>
    /// <param name="mutableVersion">Of a tile's mutable parts.</param>
    /// <param name="immutableVersion">Of a tile's immutable parts.</param>
    /// <returns>The first difference in words; null: none.</returns>
    public static string? FindDifference(StateStore store, Func<TileId, int> mutableVersion, Func<TileId, int> immutableVersion)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(mutableVersion);
        ArgumentNullException.ThrowIfNull(immutableVersion);
        using var reader = new TileReader(store, store.Geometry.Tiles().Select(tile => new TileRead(tile, PartSet.All)));
        int numTiles = 0;
        while (reader.MoveNext())
        {
            IReadOnlyList<StatePart> parts = store.Description.Units[reader.Tile.Unit].Parts;
            for (int part = 0; part < parts.Count; part++)
            {
                int expected = parts[part].IsMutable ? mutableVersion(reader.Tile) : immutableVersion(reader.Tile);
                if (!Holds(store, reader.Tile, part, reader.Address, expected))
                {
                    return $"{reader.Tile}, part {part}: not version {expected}";
                }
            }

            numTiles++;
        }

        return numTiles == store.Geometry.NumTiles ? null : $"{numTiles} of {store.Geometry.NumTiles} tiles were read";
    }

    private static Span<ulong> Words(StateStore store, TileId tile, int part, byte* address)
    {
        PartRange range = store.Geometry.Tile(tile).PartRange(part);
        return MemoryMarshal.Cast<byte, ulong>(new Span<byte>(address + range.OffsetBytes, range.PaddedBytes));
    }

    private static ulong Seed(TileId tile, int part, int version) =>
        Next(Next(Next(Next((ulong)version) + (ulong)tile.Unit) + (ulong)tile.Tile) + (ulong)part);

    // Knuth's MMIX generator: any one will do.
    private static ulong Next(ulong word) => (word * 6364136223846793005) + 1442695040888963407;
}
