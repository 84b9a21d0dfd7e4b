using System.Text.Json.Nodes;
using Offload.Engine.Hub;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Tests.Data;
using Offload.Engine.Tests.Training;
using Offload.Engine.Training;
using Offload.Storage;
using Offload.Storage.Safetensors;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Hub;

/// <summary>Law 9: import, then export, gives the same tensors.</summary>
public sealed class RoundTripTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public RoundTripTests()
    {
        _ = TorchRuntime.Current;
    }

    public static TheoryData<string> Models => ["llama", "llama3-tied", "mistral", "qwen2", "qwen3", "gpt2", "opt"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Models))]
    public void ExportFloat32_ImportedModel_GivesTheSameBytes(string name)
    {
        string source = Path.Combine(GoldenFolder.Repository, name);
        using ResidentModel model = Import(source);
        ModelExport.Write(model, HubCompanions.Read(source), _folder["out"], ComputeType.Float32, TestContext.Current.CancellationToken);

        AssertSameTensors(source, _folder["out"], bytes => bytes);
        Assert.Equal("float32", ReadConfig(_folder["out"])["dtype"]!.GetValue<string>());
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void ExportBFloat16_ImportedModel_RoundsToNearestEven(string name)
    {
        string source = Path.Combine(GoldenFolder.Repository, name);
        using ResidentModel model = Import(source);
        ModelExport.Write(model, HubCompanions.Read(source), _folder["out"], ComputeType.BFloat16, TestContext.Current.CancellationToken);

        AssertSameTensors(source, _folder["out"], RoundToNearestEven);
        Assert.Equal("bfloat16", ReadConfig(_folder["out"])["dtype"]!.GetValue<string>());
    }

    [Fact]
    public void ExportBFloat16_Ties_GoToEven()
    {
        using var run = new TinyRun();
        uint[] patterns = [0x3F808000, 0x3F818000, 0x3F808001, 0x3F80_7FFF, 0xBF808000, 0x7F7FFFFF, 0x00008000, 0x00018000];
        string folder = run.WriteWeights(
            "out",
            (name, values) =>
            {
                if (name == "model.norm.weight")
                {
                    patterns.Select(BitConverter.UInt32BitsToSingle).ToArray().CopyTo(values, 0);
                }
            },
            type: ComputeType.BFloat16);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder);

        byte[] bytes = ReadBytes(checkpoint, "model.norm.weight");

        ushort[] expected = [0x3F80, 0x3F82, 0x3F81, 0x3F80, 0xBF80, 0x7F80, 0x0000, 0x0002];
        Assert.Equal(expected, Enumerable.Range(0, expected.Length).Select(i => BitConverter.ToUInt16(bytes, 2 * i)));
    }

    [Fact]
    public void Export_TiedModel_HasNoHeadAndLoadsAgain()
    {
        string source = Path.Combine(GoldenFolder.Repository, "llama3-tied");
        using ResidentModel model = Import(source);
        ModelExport.Write(model, HubCompanions.Read(source), _folder["out"], ComputeType.Float32, TestContext.Current.CancellationToken);

        using (SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder["out"]))
        {
            Assert.False(checkpoint.TryGet("lm_head.weight", out _));
        }

        using ResidentModel again = Import(_folder["out"]);
        Assert.Equal(WeightsHash.Compute(model, TestContext.Current.CancellationToken), WeightsHash.Compute(again, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Export_ConfigWithTorchDtype_ChangesItUnderThatName()
    {
        using var run = new TinyRun();
        JsonObject config = ReadConfig(run.WriteWeights("out", type: ComputeType.BFloat16));

        Assert.Equal("bfloat16", config["torch_dtype"]!.GetValue<string>());
        Assert.False(config.ContainsKey("dtype"));
        Assert.Equal(TinyModel.VocabularySize, config["vocab_size"]!.GetValue<int>());
    }

    [Fact]
    public void Export_OverAnEarlierExport_ReplacesItWhole()
    {
        string source = Path.Combine(GoldenFolder.Repository, "llama");
        using ResidentModel model = Import(source);
        ModelExport.Write(model, HubCompanions.Read(source), _folder["out"], ComputeType.Float32, TestContext.Current.CancellationToken);
        File.WriteAllText(Path.Combine(_folder["out"], "chat_template.jinja"), "stale");

        ModelExport.Write(model, HubCompanions.Read(source), _folder["out"], ComputeType.BFloat16, TestContext.Current.CancellationToken);

        Assert.Equal(["config.json", "model.safetensors", "offload_export.json"], Directory.GetFiles(_folder["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder["out"]);
        Assert.All(checkpoint.Tensors.Values, tensor => Assert.Equal(ElementType.BF16, tensor.Type));
    }

    [Theory]
    [InlineData("notes.txt")] // someone's work
    [InlineData("model.safetensors")] // another model, the base perhaps
    public void Export_OverAForeignFolder_IsRefused(string file)
    {
        string source = Path.Combine(GoldenFolder.Repository, "llama");
        using ResidentModel model = Import(source);
        Directory.CreateDirectory(_folder["out"]);
        File.WriteAllText(Path.Combine(_folder["out"], file), "theirs");

        Assert.Throws<StorageException>(() => ModelExport.Write(model, HubCompanions.Read(source), _folder["out"], ComputeType.Float32, TestContext.Current.CancellationToken));

        Assert.Equal("theirs", File.ReadAllText(Path.Combine(_folder["out"], file)));
        Assert.Equal(["out"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    private static ResidentModel Import(string folder)
    {
        ResidentModel model = TinyRun.NewModel(folder);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Path.Combine(folder, "model.safetensors"));
        Assert.Empty(ModelImport.Read(checkpoint, model, TestContext.Current.CancellationToken));
        return model;
    }

    private static void AssertSameTensors(string source, string output, Func<byte[], byte[]> expectedBytes)
    {
        using SafetensorsCheckpoint before = SafetensorsCheckpoint.Open(Path.Combine(source, "model.safetensors"));
        using SafetensorsCheckpoint after = SafetensorsCheckpoint.Open(output);
        Assert.Equal(before.Tensors.Keys.Order(StringComparer.Ordinal), after.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.All(before.Tensors.Values, tensor =>
        {
            Assert.Equal(tensor.Shape, after.Get(tensor.Name).Shape);
            Assert.Equal(expectedBytes(ReadBytes(before, tensor.Name)), ReadBytes(after, tensor.Name));
        });
    }

    private static byte[] ReadBytes(SafetensorsCheckpoint checkpoint, string name)
    {
        byte[] bytes = new byte[checkpoint.Get(name).SizeBytes];
        checkpoint.Read(name, 0, bytes);
        return bytes;
    }

    private static byte[] RoundToNearestEven(byte[] floats)
    {
        byte[] rounded = new byte[floats.Length / 2];
        for (int i = 0; i < rounded.Length / 2; i++)
        {
            uint bits = BitConverter.ToUInt32(floats, 4 * i);
            BitConverter.TryWriteBytes(rounded.AsSpan(2 * i), (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
        }

        return rounded;
    }

    private static JsonObject ReadConfig(string folder) => JsonNode.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")))!.AsObject();
}
