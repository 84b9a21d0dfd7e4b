using System.Runtime.ExceptionServices;
using System.Text.Json;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;

namespace Offload.Storage.Benchmarks;

/// <summary>
/// Passes over a new store: every tile is written and committed, then read; in a mixed pass one half of the tiles is read while the other half is
/// written anew, into the other generation. The write pass comes first.
/// </summary>
internal sealed unsafe class StoreTarget : IBenchmarkTarget
{
    /// <summary>
    /// Tiles in flight at a time, each way: of 24 MiB each, twice what a device takes at a time is still with it while the checksums of the
    /// oldest one are taken, also where the processors are busy and threads wait for their turn.
    /// </summary>
    public const int TilesInFlight = 4;

    private const int MinTiles = 8;

    private readonly StateStore _store;
    private readonly TileId[] _tiles;
    private readonly NativeBuffer[] _writeSlots = new NativeBuffer[TilesInFlight];
    private readonly TileTransfer[] _writes = new TileTransfer[TilesInFlight];

    /// <param name="store">New, without a commit, of a description from <see cref="Describe"/>; the target's from now on.</param>
    public StoreTarget(StateStore store)
    {
        _store = store;
        _tiles = [.. _store.Geometry.Tiles()];
        for (int i = 0; i < TilesInFlight; i++)
        {
            _writeSlots[i] = new NativeBuffer(_store.Geometry.MaxTileBytes);
            RandomBytes.Fill(_writeSlots[i].AsSpan<byte>(0, _store.Geometry.MaxTileBytes), seed: i);
            _writes[i] = new TileTransfer(_store);
        }
    }

    /// <summary>The largest store of whole tiles that has room on a device: AdamW's exact states, in two generations, with the tiles of a real one if there are enough.</summary>
    /// <param name="deviceBytes">Size of the device.</param>
    /// <exception cref="ArgumentOutOfRangeException">Too small for one.</exception>
    public static StoreDescription Describe(long deviceBytes)
    {
        StatePart[] parts =
        [
            new("high", ElementType.BF16), new("low", ElementType.I16), new("first_moment", ElementType.F32), new("second_moment", ElementType.F32),
        ];
        long bytesPerParameter = parts.Sum(part => part.Type.SizeBytes());
        long parameters = deviceBytes / 2 / bytesPerParameter;
        long tileParameters = Math.Clamp(parameters / MinTiles, NativeBuffer.AlignmentBytes, StoreDescription.DefaultTileParameters);
        tileParameters -= tileParameters % NativeBuffer.AlignmentBytes;
        for (long numTiles = parameters / tileParameters; numTiles > 1; numTiles--)
        {
            var description = new StoreDescription
            {
                Units = [new StateUnit("benchmark", numTiles * tileParameters, parts)],
                TileParameters = tileParameters,
                Owner = JsonSerializer.SerializeToElement(new { purpose = "offload bench storage" }),
            };
            if (StoreGeometry.Of(description).SizeBytes <= deviceBytes)
            {
                return description;
            }
        }

        throw new ArgumentOutOfRangeException(nameof(deviceBytes), deviceBytes, "too small for a store of two tiles");
    }

    /// <inheritdoc/>
    public BenchmarkPass Run(BenchmarkPattern pattern, CancellationToken cancellation)
    {
        BenchmarkPass pass = Time(pattern, cancellation);
        if (pattern == BenchmarkPattern.Mixed)
        {
            // Another mixed pass writes these tiles again. Only now are the reads done that were still under way when the time was up.
            _store.Rollback();
        }

        return pass;
    }

    /// <summary>Waits for what is in flight and disposes store and device.</summary>
    public void Dispose()
    {
        _store.Dispose();
        Array.ForEach(_writeSlots, slot => slot.Dispose());
    }

    private BenchmarkPass Time(BenchmarkPattern pattern, CancellationToken cancellation)
    {
        // Before the clock runs: a run has its memory from the start on.
        int numRead = pattern switch { BenchmarkPattern.Read => _tiles.Length, BenchmarkPattern.Mixed => _tiles.Length / 2, _ => 0 };
        using var reader = new TileReader(_store, _tiles.Take(numRead).Select(tile => new TileRead(tile, PartSet.All)), TilesInFlight - 1);
        var meter = new PassMeter(_store.Device);
        switch (pattern)
        {
            case BenchmarkPattern.Read:
                Read(reader, meter, cancellation);
                break;
            case BenchmarkPattern.Write:
                Write(_tiles, meter, cancellation);
                _store.Commit((_store.LastCommit?.Step ?? 0) + 1, "{}"u8);
                break;
            default:
                Mix(reader, _tiles.AsSpan(numRead), meter, cancellation);
                break;
        }

        cancellation.ThrowIfCancellationRequested();
        return meter.End();
    }

    private void Mix(TileReader reader, ReadOnlySpan<TileId> written, PassMeter meter, CancellationToken cancellation)
    {
        Exception? readError = null;
        var thread = new Thread(() =>
        {
            try
            {
                Read(reader, meter, cancellation);
                meter.EndOfOne();
            }
#pragma warning disable CA1031 // It is thrown by the thread that waits for this one.
            catch (Exception error)
#pragma warning restore CA1031
            {
                readError = error;
                meter.Stop();
            }
        })
        { Name = "offload-bench-read", IsBackground = true };
        thread.Start();
        try
        {
            Write(written, meter, cancellation);
            meter.EndOfOne();
        }
        catch
        {
            meter.Stop();
            throw;
        }
        finally
        {
            thread.Join();
        }

        if (readError is not null)
        {
            ExceptionDispatchInfo.Throw(readError);
        }
    }

    private static void Read(TileReader reader, PassMeter meter, CancellationToken cancellation)
    {
        while (!meter.IsOver && reader.MoveNext(cancellation))
        {
        }
    }

    private void Write(ReadOnlySpan<TileId> tiles, PassMeter meter, CancellationToken cancellation)
    {
        int numStarted = 0;
        int numDone = 0;
        try
        {
            while (numDone < tiles.Length)
            {
                cancellation.ThrowIfCancellationRequested();
                for (; numStarted < tiles.Length && numStarted - numDone < TilesInFlight && !meter.IsOver; numStarted++)
                {
                    TileTransfer next = _writes[numStarted % TilesInFlight];
                    next.PrepareWrite(tiles[numStarted], (byte*)_writeSlots[numStarted % TilesInFlight].Address, IoPriority.Normal);
                    _store.Start(next);
                }

                if (numDone == numStarted)
                {
                    return;
                }

                _writes[numDone++ % TilesInFlight].Wait(cancellation);
            }
        }
        finally
        {
            for (; numDone < numStarted; numDone++)
            {
                DrainQuietly(_writes[numDone % TilesInFlight]);
            }
        }
    }

    // After an error, which is on its way out: a further one would say nothing new.
    private static void DrainQuietly(TileTransfer transfer)
    {
        try
        {
            transfer.Wait();
        }
        catch (Exception error) when (error is StorageException or OperationCanceledException)
        {
        }
    }
}
