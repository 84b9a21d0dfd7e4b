using System.Text.Json;
using FsCheck.Xunit;
using Offload.Storage.Files;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Safetensors;

public sealed class ShardedSafetensorsWriterTests : IDisposable
{
    private static readonly TensorSpec[] ThreeTensors =
        [new("a", ElementType.F32, 2), new("b", ElementType.F32, 2), new("c", ElementType.BF16, 3, 1)];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Property(MaxTest = 40, Arbitrary = [typeof(TensorLists)])]
    public void Complete_AnyTensorsAndShardSize_RoundTrip(TensorSpec[] tensors, byte maxShardSizeBytes)
    {
        using var folder = new TemporaryFolder();
        WriteAll(folder["model"], tensors, maxShardSizeBytes + 1);

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder["model"]);
        Assert.Equal(tensors.Length, checkpoint.Tensors.Count);
        for (int index = 0; index < tensors.Length; index++)
        {
            TensorInfo info = checkpoint.Get(tensors[index].Name);
            Assert.Equal((tensors[index].Type, tensors[index].ToString()), (info.Type, info.Spec.ToString()));
            byte[] data = new byte[info.SizeBytes];
            checkpoint.Read(info.Name, 0, data);
            Assert.Equal(TensorLists.Data(tensors[index], index), data);
        }
    }

    [Fact]
    public void Complete_FitsIntoOne_WritesModelSafetensorsOnly()
    {
        WriteAll(_folder["model"], ThreeTensors, 22);

        Assert.Equal([_folder["model/model.safetensors"]], Directory.GetFiles(_folder["model"]));
    }

    [Fact]
    public void Complete_SeveralShards_NamesThemAsTheHubDoes()
    {
        WriteAll(_folder["model"], ThreeTensors, 16);

        Assert.Equal(
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            Directory.GetFiles(_folder["model"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using JsonDocument index = JsonDocument.Parse(File.ReadAllText(_folder["model/model.safetensors.index.json"]));
        Assert.Equal(22, index.RootElement.GetProperty("metadata").GetProperty("total_size").GetInt64());
        JsonElement weightMap = index.RootElement.GetProperty("weight_map");
        Assert.Equal("model-00001-of-00002.safetensors", weightMap.GetProperty("b").GetString());
        Assert.Equal("model-00002-of-00002.safetensors", weightMap.GetProperty("c").GetString());
    }

    [Fact]
    public void Commit_OverPreviousModel_LeavesNoStaleShard()
    {
        WriteAll(_folder["model"], ThreeTensors, 1);
        WriteAll(_folder["model"], ThreeTensors[..2], 8);

        Assert.Equal(3, Directory.GetFiles(_folder["model"]).Length);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder["model"]);
        Assert.Equal(["a", "b"], checkpoint.Tensors.Keys);
        Assert.Equal(["model"], _folder.Names);
    }

    [Fact]
    public void Dispose_MidwayThroughSecondShard_KeepsPreviousModel()
    {
        WriteAll(_folder["model"], ThreeTensors, 1);
        string[] before = Directory.GetFiles(_folder["model"]);
        using (var folder = new AtomicFolder(_folder["model"], _ => true))
        using (var writer = new ShardedSafetensorsWriter(folder, ThreeTensors, 8))
        {
            writer.BeginTensor("a");
            writer.Write(new byte[8]);
            writer.EndTensor();
            writer.BeginTensor("b");
            writer.Write(new byte[3]);
            Assert.Throws<InvalidOperationException>(writer.Complete);
        }

        Assert.Equal(before.Order(), Directory.GetFiles(_folder["model"]).Order());
        Assert.Equal(["model"], _folder.Names);
    }

    [Fact]
    public void Constructor_MoreThanTheDiskHolds_WritesNothing()
    {
        using (var folder = new AtomicFolder(_folder["model"]))
        {
            TensorSpec[] tensors = [new("a", ElementType.F32, 2), new("b", ElementType.U8, 1L << 60)];
            var error = Assert.Throws<StorageException>(() => new ShardedSafetensorsWriter(folder, tensors));
            Assert.Contains("bytes are missing", error.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFileSystemEntries(folder.StagingPath));
        }

        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void Constructor_OneNameInTwoShards_IsRefused()
    {
        using var folder = new AtomicFolder(_folder["model"]);

        Assert.Throws<ArgumentException>(
            () => new ShardedSafetensorsWriter(folder, [new("a", ElementType.F32, 2), new("a", ElementType.F32, 2)], 8));
    }

    private static void WriteAll(string path, TensorSpec[] tensors, long maxShardSizeBytes)
    {
        using var folder = new AtomicFolder(path, _ => true);
        using var writer = new ShardedSafetensorsWriter(folder, tensors, maxShardSizeBytes);
        for (int index = 0; index < tensors.Length; index++)
        {
            writer.BeginTensor(tensors[index].Name);
            writer.Write(TensorLists.Data(tensors[index], index));
            writer.EndTensor();
        }

        writer.Complete();
        folder.Commit();
    }
}
