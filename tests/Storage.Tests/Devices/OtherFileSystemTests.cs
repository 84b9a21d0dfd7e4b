using Offload.Storage.Devices;
using static Offload.Storage.Devices.BlockOperation;

namespace Offload.Storage.Tests.Devices;

public sealed class OtherFileSystemTests
{
    private const int BlockBytes = 8192;

    [Fact]
    public void Open_FileSystemThatRefusesDirect_FallsBackWithOneWarning()
    {
        using var folder = new MountedFolder(null, "-t ramfs ramfs");
        File.WriteAllBytes(folder["x"], new byte[4 * BlockBytes]);
        List<string> warnings = [];
        using DirectFileDevice device = DirectFileDevice.Open(folder["x"], new DirectFileOptions { OnWarning = warnings.Add });
        using var written = new SignalRequest(BlockBytes);
        using var read = new SignalRequest(BlockBytes);
        written.Memory.Fill(5);

        Assert.Null(written.Start(device, Write, BlockBytes).Wait());
        device.Flush();
        Assert.Null(read.Start(device, Read, BlockBytes).Wait());

        Assert.True(written.Memory.SequenceEqual(read.Memory));
        Assert.Contains("refuses O_DIRECT", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.Equal((false, IoEngine.Threads), (device.IsDirect, device.Engine));
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Create_FileSystemThatCannotReserve_WarnsAndAFullDiskIsAnErrorLater(IoEngine engine)
    {
        const int SizeBytes = 8 << 20;
        Assert.SkipWhen(engine == IoEngine.IoUring && DirectFileDevice.IoUringProblem() is not null, "no io_uring here");
        using var folder = new MountedFolder($"mkfs.ext2 -q {{0}} {(SizeBytes + (2 << 20)) >> 10}k", "-o loop {0}");
        List<string> warnings = [];

        PreallocatedFile.Create(folder["x"], SizeBytes, warnings.Add);

        Assert.Contains("cannot reserve space", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.Equal(SizeBytes, new FileInfo(folder["x"]).Length);
        Assert.Throws<StorageException>(() => PreallocatedFile.Create(folder["y"], 2 * SizeBytes));
        File.WriteAllBytes(folder["other"], new byte[SizeBytes * 3 / 4]);
        using DirectFileDevice device = DirectFileDevice.Open(folder["x"], new DirectFileOptions { Engine = engine });
        using var request = new SignalRequest(SizeBytes);
        var error = Assert.IsType<StorageException>(request.Start(device, Write, 0).Wait());
        Assert.StartsWith($"{folder["x"]}: cannot write {SizeBytes} bytes at offset 0: ENOSPC (28)", error.Message, StringComparison.Ordinal);
    }
}
