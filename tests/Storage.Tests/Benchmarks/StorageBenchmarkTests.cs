using Offload.Profiles;
using Offload.Storage.Benchmarks;
using Offload.Storage.Devices;

namespace Offload.Storage.Tests.Benchmarks;

public class StorageBenchmarkTests
{
    private const long SizeBytes = 16 << 20;

    [Fact]
    public void Run_OneFolder_GivesEveryRowAndLeavesNothing()
    {
        using var folder = new TemporaryFolder();
        StorageBenchmarkPlan plan = StorageBenchmarkPlan.Make(new StorageBenchmarkOptions { Folders = [folder["new/drive"]], SizeBytes = SizeBytes, Rounds = 2 });

        StorageBenchmarkResult result = StorageBenchmark.Run(plan, cancellation: TestContext.Current.CancellationToken);

        Assert.Equal(9, result.Rows.Select(row => (row.Pattern, row.Layer)).Distinct().Count());
        Assert.All(result.Rows, row =>
        {
            Assert.Equal(2, row.Rounds.Count);
            Assert.Equal(row.Pattern != BenchmarkPattern.Write, row.ReadGBps > 0);
            Assert.Equal(row.Pattern != BenchmarkPattern.Read, row.WriteGBps > 0);
            Assert.True(row.OfDevice > 0 && row.CpuSecondsPerGB >= 0);
        });
        Assert.InRange(result.BytesWritten, SizeBytes * 4, plan.MaxBytesWritten);
        Assert.True(result.FirstQuarterWriteGBps > 0 && result.LastQuarterWriteGBps > 0);
        Assert.True(result.Ssd is { ReadGBps: > 0, WriteGBps: > 0, MixedReadGBps: > 0, MixedWriteGBps: > 0, CapacityGB: > 0 });
        Assert.Empty(result.StripeBytes);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Run_TwoFolders_StripesOverBoth()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["a"]);

        StorageBenchmarkResult result = StorageBenchmark.Run(Plan(SizeBytes, folder["a"], folder["b"]), cancellation: TestContext.Current.CancellationToken);

        Assert.Equal(2, result.StripeBytes.Count);
        Assert.Equal(2, result.Drives.Count);
        Assert.Equal(["a"], folder.Names);
        Assert.Empty(Directory.GetFileSystemEntries(folder["a"]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(3)]
    public void Run_Cancelled_LeavesNothing(int stage)
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        int numStages = 0;

        Assert.Throws<OperationCanceledException>(() => StorageBenchmark.Run(
            Plan(SizeBytes, folder["drive"]),
            _ =>
            {
                if (numStages++ == stage)
                {
                    cancellation.Cancel();
                }
            },
            cancellation: cancellation.Token));

        Assert.Equal(stage + 1, numStages);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Run_SecondFolderCannotBeMade_LeavesNothing()
    {
        using var folder = new TemporaryFolder();
        StorageBenchmarkPlan plan = Plan(SizeBytes, folder["a"], folder["b"]);
        File.WriteAllText(folder["b"], "in the way");

        Assert.Throws<StorageException>(() => StorageBenchmark.Run(plan, cancellation: TestContext.Current.CancellationToken));

        Assert.Equal(["b"], folder.Names);
    }

    [Fact]
    public void Run_FileOfAKilledBenchmark_IsReplaced()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder[StorageBenchmarkPlan.FileName], new byte[4096]);
        StorageBenchmarkPlan plan = Plan(SizeBytes, folder.Path);

        StorageBenchmark.Run(plan, cancellation: TestContext.Current.CancellationToken);

        Assert.True(plan.Files[0].IsLeftover);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Make_FileOfARunningBenchmark_Throws()
    {
        using var folder = new TemporaryFolder();
        PreallocatedFile.Create(folder[StorageBenchmarkPlan.FileName], SizeBytes);
        using DirectFileDevice running = DirectFileDevice.Open(folder[StorageBenchmarkPlan.FileName]);

        var error = Assert.Throws<StorageException>(() => Plan(SizeBytes, folder.Path));

        Assert.Contains("another process is using this file", error.Message);
        Assert.Equal([StorageBenchmarkPlan.FileName], folder.Names);
    }

    [Fact]
    public void Make_MoreThanIsFree_ThrowsWithTheNumberMissingAndWritesNothing()
    {
        using var folder = new TemporaryFolder();

        var error = Assert.Throws<StorageException>(() => Plan(1L << 60, folder["a"], folder["b"]));

        Assert.Matches(@"cannot write \d{19} bytes: only \d+ bytes are free, \d+ bytes are missing", error.Message);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Make_OneFolderTwice_Throws()
    {
        using var folder = new TemporaryFolder();

        Assert.Throws<UsageException>(() => Plan(SizeBytes, folder.Path, folder["a/.."] + "/"));
    }

    [Fact]
    public void Make_SizeOfLessThanAFewTiles_Throws()
    {
        using var folder = new TemporaryFolder();

        Assert.Contains("too small: expected at least 16777216", Assert.Throws<UsageException>(() => Plan(SizeBytes - 1, folder["a"], folder["b"])).Message);
    }

    [Fact]
    public void Make_BelowAFile_NamesTheFile()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file"], "");

        Assert.StartsWith($"{folder["file"]}: expected a folder", Assert.Throws<UsageException>(() => Plan(SizeBytes, folder["file/drive"])).Message);
    }

    [Fact]
    public void Make_NoFolder_Throws() => Assert.Throws<UsageException>(() => Plan(SizeBytes));

    private static StorageBenchmarkPlan Plan(long sizeBytes, params string[] folders) =>
        StorageBenchmarkPlan.Make(new StorageBenchmarkOptions { Folders = folders, SizeBytes = sizeBytes, Rounds = 1 });
}
