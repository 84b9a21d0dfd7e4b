using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.Tests.Devices;

public sealed unsafe class ScratchFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Create_SeveralFolders_HoldsWhatIsWrittenAndLeavesNoName(int numFolders)
    {
        string[] folders = [.. Enumerable.Range(0, numFolders).Select(i => Directory.CreateDirectory(_folder[$"drive {i}"]).FullName)];
        using IBlockDevice device = ScratchFile.Create(folders, (11 << 20) + 4096);
        using var memory = new NativeBuffer(9 << 20);
        using var read = new NativeBuffer(9 << 20);
        new Random(1).NextBytes(memory.AsSpan<byte>(0, 9 << 20));
        var transfer = new RangeTransfer(3);

        transfer.Run(device, BlockOperation.Write, 8192, (byte*)memory.Address, memory.SizeBytes, IoPriority.Normal, TestContext.Current.CancellationToken);
        transfer.Run(device, BlockOperation.Read, 8192, (byte*)read.Address, read.SizeBytes, IoPriority.Normal, TestContext.Current.CancellationToken);

        Assert.True(memory.AsSpan<byte>(0, 9 << 20).SequenceEqual(read.AsSpan<byte>(0, 9 << 20)));
        Assert.All(folders, folder => Assert.Empty(Directory.GetFileSystemEntries(folder)));
        Assert.InRange(device.SizeBytes, (11 << 20) + 4096, long.MaxValue);
    }

    [Fact]
    public void Create_WhatAKilledProcessLeft_IsRemoved()
    {
        File.WriteAllText(_folder["scratch-0.offload"], "left");
        File.WriteAllText(_folder["states.offload"], "not ours");

        using (ScratchFile.Create([_folder.Path], 4096))
        {
            Assert.Equal(["states.offload"], _folder.Names);
        }
    }

    [Fact]
    public void Create_MoreThanTheDiskHas_SaysSoAndLeavesNothing()
    {
        StorageException error = Assert.Throws<StorageException>(() => ScratchFile.Create([_folder.Path], 1L << 60));

        Assert.Contains(_folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void Run_DeviceFails_ThrowsItsErrorAndCanGoOn()
    {
        using var memory = new NativeBuffer(40 << 20);
        using var device = new FaultInjectingDevice(
            new MemoryDevice(40 << 20), new FaultPlan().At(3, Fault.Error(5), FaultTarget.Write));
        var transfer = new RangeTransfer(2);

        Assert.Throws<StorageException>(() => transfer.Run(device, BlockOperation.Write, 0, (byte*)memory.Address, memory.SizeBytes, IoPriority.Normal, TestContext.Current.CancellationToken));
        transfer.Run(device, BlockOperation.Write, 0, (byte*)memory.Address, memory.SizeBytes, IoPriority.Normal, TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Run_Cancelled_BeginsNothingMore()
    {
        using var memory = new NativeBuffer(8 << 20);
        using var device = new MemoryDevice(8 << 20);

        Assert.Throws<OperationCanceledException>(
            () => new RangeTransfer().Run(device, BlockOperation.Write, 0, (byte*)memory.Address, memory.SizeBytes, IoPriority.Normal, new CancellationToken(true)));
        Assert.Equal(0, device.Traffic.BytesWritten);
    }
}
