using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Safetensors;

public sealed class SafetensorsCheckpointTests : IDisposable
{
    private const string IndexName = "model.safetensors.index.json";
    private readonly TemporaryFolder _folder = new();

    /// <summary>Index, and what the message must say; shard 1 holds a, shard 2 holds b.</summary>
    public static TheoryData<string, string> HostileIndexes => new()
    {
        { "", "syntax error at byte 0" },
        { "[]", "index: expected an object" },
        { "{}", "weight_map, found none" },
        { """{"weight_map":[]}""", "weight_map: expected an object" },
        { """{"weight_map":{},"weight_map":{}}""", "'weight_map' occurs twice" },
        { """{"weight_map":{"a":1}}""", "'a': expected a string, found Number" },
        { """{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}""", "'a': occurs twice" },
        { """{"weight_map":{"a":"../1.safetensors"}}""", "found '../1.safetensors'" },
        { """{"weight_map":{"a":"/etc/1.safetensors"}}""", "found '/etc/1.safetensors'" },
        { """{"weight_map":{"a":"sub\\1.safetensors"}}""", "found 'sub\\1.safetensors'" },
        { """{"weight_map":{"a":"1.safetensors\u0000.safetensors"}}""", "in the same folder" },
        { """{"weight_map":{"a":"config.json"}}""", "found 'config.json'" },
        { """{"weight_map":{"a":"1.safetensors","b":"3.safetensors"}}""", "expected 2 shards, 1 are missing, first '3.safetensors'" },
        { """{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}""", "expected tensor 'b' in '1.safetensors', found it not there" },
        { """{"weight_map":{"a":"1.safetensors","c":"2.safetensors"}}""", "expected tensor 'c' in '2.safetensors'" },
        { """{"weight_map":{"a":"1.safetensors"}} {}""", "syntax error" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(HostileIndexes))]
    public void Open_HostileIndex_SaysWhatIsWrong(string index, string expectedMessage)
    {
        WriteShard("1.safetensors", "a");
        WriteShard("2.safetensors", "b");
        File.WriteAllText(_folder[IndexName], index);

        OpenFails(_folder.Path, expectedMessage);
    }

    [Fact]
    public void Open_TensorInTwoShards_IsRefused()
    {
        WriteShard("1.safetensors", "a", "b");
        WriteShard("2.safetensors", "b");
        File.WriteAllText(_folder[IndexName], """{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}""");

        OpenFails(_folder.Path, "tensor 'b' is in two shards");
    }

    [Fact]
    public void Open_Shards_ReadsFromTheRightOne()
    {
        WriteShard("1.safetensors", "a");
        WriteShard("2.safetensors", "b", "c");
        File.WriteAllText(
            _folder[IndexName],
            """{"metadata":{"total_size":24,"x":[{"y":1}]},"weight_map":{"c":"2.safetensors","a":"1.safetensors","b":"2.safetensors"}}""");
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.Path);

        Assert.Equal(["a", "b", "c"], checkpoint.Tensors.Keys);
        Assert.Equal([_folder["1.safetensors"], _folder["2.safetensors"]], checkpoint.Files);
        byte[] data = new byte[4];
        checkpoint.Read("c", 4, data);
        Assert.Equal(TensorLists.Data(checkpoint.Get("c").Spec, 1)[4..], data);
        checkpoint.Read("a", 0, data);
        Assert.Equal(TensorLists.Data(checkpoint.Get("a").Spec, 0)[..4], data);
    }

    [Fact]
    public void Open_FolderOrFile_FindsTheSameTensors()
    {
        WriteShard("model.safetensors", "a");
        using SafetensorsCheckpoint byFolder = SafetensorsCheckpoint.Open(_folder.Path);
        using SafetensorsCheckpoint byFile = SafetensorsCheckpoint.Open(_folder["model.safetensors"]);

        Assert.Equal(byFolder.Tensors.Keys, byFile.Tensors.Keys);
        Assert.True(byFile.TryGet("a", out TensorInfo? tensor));
        Assert.Equal("F32 [2]", tensor.Spec.ToString());
        Assert.False(byFile.TryGet("none", out _));
    }

    [Fact]
    public void Open_MissingFolder_SaysSo() => OpenFails(_folder["none"], "there is no such folder or file");

    [Fact]
    public void Open_EmptyFolder_SaysWhatIsExpected() => OpenFails(_folder.Path, "expected model.safetensors or model.safetensors.index.json");

    [Fact]
    public void Open_OnlyPickle_HintsAtConversion()
    {
        File.WriteAllText(_folder["pytorch_model.bin"], "");

        UnreadableInputException error = OpenFails(_folder.Path, "only 'pytorch_model.bin'");

        Assert.Contains("safe_serialization=True", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_OtherSafetensors_IsNamed()
    {
        WriteShard("adapter_model.safetensors", "a");

        OpenFails(_folder.Path, "found neither, but 'adapter_model.safetensors'");
    }

    [Fact]
    public void Open_OtherFile_IsRefused()
    {
        File.WriteAllText(_folder["model.gguf"], "");

        OpenFails(_folder["model.gguf"], "expected a model folder or a .safetensors file");
    }

    [Fact]
    public void Get_Missing_NamesTheTensor()
    {
        WriteShard("model.safetensors", "a");
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder.Path);

        var error = Assert.Throws<UnreadableInputException>(() => checkpoint.Get("lm_head.weight"));

        Assert.Contains("'lm_head.weight'", error.Message, StringComparison.Ordinal);
    }

    private void WriteShard(string name, params string[] tensors) =>
        SafetensorsWriterTests.WriteAll(_folder[name], [.. tensors.Select(tensor => new TensorSpec(tensor, ElementType.F32, 2))]);

    private static UnreadableInputException OpenFails(string path, string expectedMessage)
    {
        var error = Assert.Throws<UnreadableInputException>(() => SafetensorsCheckpoint.Open(path));
        Assert.Contains(expectedMessage, error.Message, StringComparison.Ordinal);
        return error;
    }
}
