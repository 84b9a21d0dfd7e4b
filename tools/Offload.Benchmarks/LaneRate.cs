using System.Diagnostics;
using System.Globalization;
using System.IO.Hashing;
using System.Text.Json;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;

namespace Offload.Benchmarks;

/// <summary>
/// "lanes [GBPS]": what a swapped run's drive lanes reach of a drive, tiles of 24 MiB one after the other, each waited for before the next one is
/// begun, beside what a thread computes of checksums. The drive is simulated; its transfers take no processor. All rates are of the same rounds,
/// which take turns, so that other work on the machine does not favour one.
/// </summary>
internal static unsafe class LaneRate
{
    private const int NumTiles = 4;
    private const int NumRounds = 15;
    private const int TilesPerRound = 16;
    private const int PieceBytes = 1 << 20;

    internal static int Run(ReadOnlySpan<string> args)
    {
        double gbps = args.Length > 0 ? double.Parse(args[0], CultureInfo.InvariantCulture) : 7;
        StatePart[] parts =
        [
            new("high", ElementType.BF16), new("low", ElementType.I16), new("first_moment", ElementType.F32), new("second_moment", ElementType.F32),
        ];
        var description = new StoreDescription
        {
            Units = [new StateUnit("unit", NumTiles * StoreDescription.DefaultTileParameters, parts)],
            Owner = JsonSerializer.SerializeToElement(new { purpose = "benchmark" }),
        };
        var still = new StillDevice(new MemoryDevice(StoreGeometry.Of(description).SizeBytes));
        using StateStore store = StateStore.Create(new ThrottledDevice(still, new ThrottleOptions(gbps, gbps)), description);
        int tileBytes = store.Geometry.MaxTileBytes;
        using var buffer = new NativeBuffer(tileBytes);
        var transfer = new TileTransfer(store);

        // The same bytes in every tile: once the device is still, memory holds what any read would bring.
        new Random(1).NextBytes(buffer.AsSpan<byte>(0, tileBytes));
        for (int tile = 0; tile < NumTiles; tile++)
        {
            Write(store, transfer, tile, buffer);
        }

        store.Commit(1, []);
        still.IsStill = true;

        var whole = new RangeTransfer();
        var hash = new XxHash3();
        (string Name, Action<int> Tile)[] kinds =
        [
            ("checksum, whole", _ => XxHash3.HashToUInt64(buffer.AsSpan<byte>(0, tileBytes))),
            ("checksum, in pieces of 1 MiB", _ => InPieces(hash, buffer, tileBytes)),
            ("device, tile after tile, unchecked", _ => whole.Run(store.Device, BlockOperation.Read, 0, (byte*)buffer.Address, tileBytes, IoPriority.Normal)),
            ("lane of reads", tile => Read(store, transfer, tile % NumTiles, buffer)),
            ("lane of writes", tile => Write(store, transfer, tile % NumTiles, buffer)),
        ];
        var rates = new double[kinds.Length][];
        Array.ForEach(Enumerable.Range(0, kinds.Length).ToArray(), kind => rates[kind] = new double[NumRounds]);
        for (int round = -1; round < NumRounds; round++)
        {
            for (int kind = 0; kind < kinds.Length; kind++)
            {
                long begin = Stopwatch.GetTimestamp();
                for (int tile = 0; tile < TilesPerRound; tile++)
                {
                    kinds[kind].Tile(tile);
                }

                rates[kind][Math.Max(round, 0)] = TilesPerRound * (double)tileBytes / Stopwatch.GetElapsedTime(begin).TotalSeconds / 1e9;
            }
        }

        Console.WriteLine($"device of {gbps} GB/s, {Environment.ProcessorCount} processors, {ChecksumThreads.DefaultThreads} checksum threads; {NumRounds} rounds of {TilesPerRound} tiles");
        for (int kind = 0; kind < kinds.Length; kind++)
        {
            Array.Sort(rates[kind]);
            double median = rates[kind][NumRounds / 2];
            Console.WriteLine($"{kinds[kind].Name}: median {median:F2} GB/s = {median / gbps:P0} of the device, worst {rates[kind][0]:F2}, best {rates[kind][^1]:F2}");
        }

        return 0;
    }

    private static void Read(StateStore store, TileTransfer transfer, int tile, NativeBuffer buffer)
    {
        transfer.PrepareRead(new TileId(0, tile), PartSet.All, (byte*)buffer.Address, IoPriority.Normal);
        store.Start(transfer);
        transfer.Wait();
    }

    private static void Write(StateStore store, TileTransfer transfer, int tile, NativeBuffer buffer)
    {
        transfer.PrepareWrite(new TileId(0, tile), (byte*)buffer.Address, IoPriority.Normal);
        store.Start(transfer);
        transfer.Wait();
    }

    private static void InPieces(XxHash3 hash, NativeBuffer buffer, int sizeBytes)
    {
        hash.Reset();
        for (int done = 0; done < sizeBytes; done += PieceBytes)
        {
            hash.Append(buffer.AsSpan<byte>(done, Math.Min(PieceBytes, sizeBytes - done)));
        }

        _ = hash.GetCurrentHashAsUInt64();
    }
}
