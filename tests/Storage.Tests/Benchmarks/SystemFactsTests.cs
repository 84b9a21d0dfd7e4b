using Offload.Storage.Benchmarks;

namespace Offload.Storage.Tests.Benchmarks;

public class SystemFactsTests
{
    private const string MountInfo = """
        22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
        40 22 259:5 / /data/fast\040drive rw,noatime shared:20 master:1 - xfs /dev/nvme1n1 rw,attr2
        41 22 0:50 / /data/fast rw - btrfs /dev/nvme2n1 rw
        42 41 0:51 / /data/fast rw - tmpfs none rw
        broken line
        """;

    [Theory]
    [InlineData("/var/lib", "259:2", "ext4", "/dev/nvme0n1p2")]
    [InlineData("/data/fast drive/states", "259:5", "xfs", "/dev/nvme1n1")]
    [InlineData("/data/fast", "0:51", "tmpfs", "none")]
    [InlineData("/data/faster", "259:2", "ext4", "/dev/nvme0n1p2")]
    public void Find_Path_IsTheLastOfTheNearestMounts(string path, string device, string fileSystem, string source)
    {
        Mount? mount = Mount.Find(MountInfo, path);

        Assert.Equal((device, fileSystem, source), (mount?.DeviceNumber, mount?.FileSystem, mount?.Source));
    }

    [Fact]
    public void Find_NoMounts_IsNull() => Assert.Null(Mount.Find("", "/var"));

    [Fact]
    public void Of_FolderThatIsMissing_TellsTheFileSystemAbove()
    {
        using var folder = new TemporaryFolder();

        Assert.Equal(DriveFacts.Of(folder.Path).FileSystem, DriveFacts.Of(folder["a/b"]).FileSystem);
        Assert.NotNull(DriveFacts.Of(folder.Path).FileSystem);
    }

    [Theory]
    [InlineData("none [mq-deadline] kyber bfq", "mq-deadline")]
    [InlineData("[none] mq-deadline", "none")]
    [InlineData("none", "none")]
    [InlineData(null, null)]
    public void ChosenWord_Schedulers_IsTheOneInBrackets(string? choices, string? chosen) => Assert.Equal(chosen, DriveFacts.ChosenWord(choices));

    [Theory]
    [InlineData("Max locked memory         8388608              8388608              bytes", 8388608L)]
    [InlineData("Max open files            1024                 4096                 files\nMax locked memory         65536                unlimited            bytes", 65536L)]
    [InlineData("Max locked memory         unlimited            unlimited            bytes", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void LockedMemory_Limits_IsTheSoftOne(string? limits, long? expected) => Assert.Equal(expected, KernelFacts.LockedMemory(limits));

    [Fact]
    public void Read_ThisSystem_TellsTheKernel() => Assert.Matches(@"^\d+\.\d+", KernelFacts.Read().Release);
}
