using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

[Collection(nameof(ProcessWide))]
public sealed unsafe class TileTransferAllocationTests
{
    [Fact]
    public void Transfers_InSteadyState_AllocateNothing()
    {
        using StateStore store = StateStore.Create(DeviceFor(Small()), Small(), new StoreOptions { BlockBytes = 4096 });
        WriteAll(store, version: 1);
        store.Commit(1, []);

        AssertNoAllocations(store);
    }

    [Fact]
    public void Transfers_OnAFileInSteadyState_AllocateNothing()
    {
        using var folder = new TemporaryFolder();
        using StateStore store = StoreFiles.Create([folder["a"], folder["b"]], Small(), new StoreFilesOptions { StripeBytes = [8192, 4096] });
        WriteAll(store, version: 1);
        store.Commit(1, []);

        AssertNoAllocations(store);
    }

    private static void AssertNoAllocations(StateStore store)
    {
        using var buffer = new NativeBuffer(store.Geometry.MaxTileBytes);
        var transfer = new TileTransfer(store);
        var tiles = store.Geometry.Tiles().ToArray();
        using var cancellation = new CancellationTokenSource();
        void Use(int count)
        {
            for (int index = 0; index < count; index++)
            {
                TileId tile = tiles[index % tiles.Length];
                transfer.PrepareRead(tile, PartSet.All, (byte*)buffer.Address, IoPriority.Normal);
                store.Start(transfer);
                transfer.Wait(cancellation.Token);
                transfer.PrepareWrite(tile, (byte*)buffer.Address, IoPriority.Background);
                store.Start(transfer);
                transfer.Wait(cancellation.Token);
            }
        }

        Use(100);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        Use(400);
        long perTransfer = (GC.GetTotalAllocatedBytes(precise: true) - before) / 800;

        // Of the whole process, in which the runtime and other tests' threads now and then allocate something; a block's request would be 72.
        Assert.InRange(perTransfer, 0, 15);
    }
}
