using Offload.Storage.Devices;
using Offload.Storage.Interop;
using static Offload.Storage.Devices.BlockOperation;

namespace Offload.Storage.Tests.Devices;

public sealed class DirectFileErrorTests
{
    private const int BlockBytes = 8192;

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Write_FullDisk_NamesPathOffsetAndErrno(IoEngine engine)
    {
        using var file = new DeviceFile(engine, 4 * BlockBytes);
        using var request = new SignalRequest(BlockBytes);
        file.ReplaceBy("/dev/full", FileAccess.Write);

        var error = Assert.IsType<StorageException>(request.Start(file.Device, Write, BlockBytes).Wait());

        Assert.StartsWith($"{file.Path}: cannot write {BlockBytes} bytes at offset {BlockBytes}: ENOSPC (28): ", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
        Assert.Equal(0, file.Device.Traffic.BytesWritten);
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Read_DescriptorNotOpenForReading_NamesErrno(IoEngine engine)
    {
        using var file = new DeviceFile(engine, 4 * BlockBytes);
        using var request = new SignalRequest(BlockBytes);
        file.ReplaceBy("/dev/null", FileAccess.Write);

        var error = Assert.IsType<StorageException>(request.Start(file.Device, Read, 0).Wait());

        Assert.Contains("EBADF (9)", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(IoEngine.IoUring, 0)]
    [InlineData(IoEngine.Threads, 0)]
    [InlineData(IoEngine.IoUring, BlockBytes + 100)]
    [InlineData(IoEngine.Threads, BlockBytes + 100)]
    [InlineData(IoEngine.IoUring, BlockBytes + 4096)]
    [InlineData(IoEngine.Threads, BlockBytes + 4096)]
    public void Read_FileBecameShorter_IsAnErrorThatSaysSo(IoEngine engine, long leftBytes)
    {
        using var file = new DeviceFile(engine, 4 * BlockBytes);
        using var request = new SignalRequest(BlockBytes);

        // Not by .NET, which respects the lock.
        Assert.Equal(0, FileCalls.Truncate(file.Device.Descriptor, leftBytes));

        var error = Assert.IsType<StorageException>(request.Start(file.Device, Read, BlockBytes).Wait());

        Assert.Contains($"read {BlockBytes} bytes at offset {BlockBytes}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"only {Math.Max(0, leftBytes - BlockBytes)} bytes were transferred", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, file.Device.Traffic.BytesRead);
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Submit_MisalignedOrOutside_IsRefused(IoEngine engine)
    {
        using var file = new DeviceFile(engine, 4 * BlockBytes);
        using var request = new SignalRequest(BlockBytes);

        Assert.Throws<ArgumentException>(() => request.Start(file.Device, Read, 100));
        Assert.Throws<ArgumentException>(() => request.Start(file.Device, Read, 0, partBytes: 1000));
        Assert.Throws<ArgumentException>(() => request.Start(file.Device, Read, 4 * BlockBytes));
        Assert.Throws<ArgumentException>(() => request.Start(file.Device, Read, -BlockBytes));
        Assert.Null(request.Start(file.Device, Read, 0).Wait());
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Flush_ThatFailed_FailsForGood(IoEngine engine)
    {
        using var file = new DeviceFile(engine, 4 * BlockBytes);
        file.ReplaceBy("/dev/full", FileAccess.ReadWrite);

        Assert.Contains("cannot flush: EINVAL", Assert.Throws<StorageException>(file.Device.Flush).Message, StringComparison.Ordinal);

        file.ReplaceBy(file.Path, FileAccess.ReadWrite);
        Assert.Contains("an earlier flush failed", Assert.Throws<StorageException>(file.Device.Flush).Message, StringComparison.Ordinal);
        Assert.Equal(0, file.Device.Traffic.Flushes);
    }

    [Theory]
    [InlineData(Libc.Eagain)]
    [InlineData(Libc.Eintr)]
    [InlineData(Libc.Ecanceled)]
    public void Progress_InterruptedAgainAndAgain_IsRetriedUpToABound(int errno)
    {
        using var file = new DeviceFile(IoEngine.Threads, 4 * BlockBytes);
        using var request = new SignalRequest(BlockBytes);
        Assert.Null(request.Start(file.Device, Read, 0).Wait());
        using DirectFile open = DirectFile.Open(file.Path, new DirectFileOptions { ExclusiveLock = false });
        var progress = default(TransferProgress);

        for (int i = 0; i < TransferProgress.MaxRetries; i++)
        {
            Assert.False(progress.IsFinished(open, request, -errno, out _));
        }

        // A byte of progress, and the count begins anew.
        Assert.False(progress.IsFinished(open, request, 4096, out _));
        for (int i = 0; i < TransferProgress.MaxRetries; i++)
        {
            Assert.False(progress.IsFinished(open, request, -errno, out _));
        }

        Assert.True(progress.IsFinished(open, request, -errno, out StorageException? problem));
        Assert.Contains($"({errno})", problem!.Message, StringComparison.Ordinal);
        Assert.Equal(4096, progress.DoneBytes);
    }

    [Fact]
    public void Progress_InPieces_ContinuesToTheEnd()
    {
        using var file = new DeviceFile(IoEngine.Threads, 4 * BlockBytes);
        using var request = new SignalRequest(BlockBytes);
        Assert.Null(request.Start(file.Device, Read, 0).Wait());
        using DirectFile open = DirectFile.Open(file.Path, new DirectFileOptions { ExclusiveLock = false });
        var progress = default(TransferProgress);

        Assert.False(progress.IsFinished(open, request, 4096, out _));
        Assert.Equal(0, open.Traffic.BytesRead);
        Assert.True(progress.IsFinished(open, request, 4096, out StorageException? problem));

        Assert.Null(problem);
        Assert.Equal(BlockBytes, open.Traffic.BytesRead);
    }
}
