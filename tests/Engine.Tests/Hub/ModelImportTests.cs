using System.Runtime.InteropServices;
using Offload.Engine.Hub;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Tests.Data;
using Offload.Engine.Tests.Training;
using Offload.Engine.Training;
using Offload.Storage;
using Offload.Storage.Files;
using Offload.Storage.Safetensors;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Hub;

public sealed class ModelImportTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public ModelImportTests()
    {
        _ = TorchRuntime.Current;
        TinyModel.Write(_folder["model"]);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    public void Read_EachElementType_GivesItsValues(ElementType type)
    {
        Write(type);
        using ResidentModel model = TinyRun.NewModel(_folder["model"]);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder["model"]);

        Assert.Empty(ModelImport.Read(checkpoint, model, TestContext.Current.CancellationToken));

        Assert.All(Values(model), pair => Assert.Equal(Enumerable.Range(0, pair.Values.Length).Select(index => Value(pair.Name, index)), pair.Values));
    }

    [Fact]
    public void Read_Shards_GiveTheWeightsOfTheWhole()
    {
        Write(ElementType.F32, shardBytes: 20_000);
        Assert.True(File.Exists(Path.Combine(_folder["model"], "model.safetensors.index.json")));
        using ResidentModel model = TinyRun.NewModel(_folder["model"]);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder["model"]);
        Assert.True(checkpoint.Files.Count > 2);

        ModelImport.Read(checkpoint, model, TestContext.Current.CancellationToken);

        Assert.All(Values(model), pair => Assert.Equal(Value(pair.Name, pair.Values.Length - 1), pair.Values[^1]));
    }

    [Fact]
    public void Read_NamesWithoutBasePrefix_AreFound()
    {
        Write(ElementType.F32, rename: name => name.StartsWith("model.", StringComparison.Ordinal) ? name["model.".Length..] : name);
        using ResidentModel model = TinyRun.NewModel(_folder["model"]);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder["model"]);

        Assert.Empty(ModelImport.Read(checkpoint, model, TestContext.Current.CancellationToken));

        Assert.All(Values(model), pair => Assert.Equal(Value(pair.Name, 0), pair.Values[0]));
    }

    [Fact]
    public void Read_Gpt2Buffers_AreNoWeights()
    {
        Read(
            "gpt2",
            [new("transformer.h.0.attn.bias", ElementType.Bool, 1, 1, 256, 256), new("transformer.h.0.attn.masked_bias", ElementType.F32)],
            unused => Assert.Empty(unused));
    }

    [Fact]
    public void Read_TiedHeadInTheFile_IsNoSecondMatrix()
    {
        Read("llama3-tied", [new("lm_head.weight", ElementType.F32, 160, 32)], unused => Assert.Empty(unused));
    }

    [Fact]
    public void Read_UnknownTensor_IsNamed()
    {
        Read("llama", [new("model.vision.weight", ElementType.F32, 2)], unused => Assert.Equal(["model.vision.weight"], unused));
    }

    [Theory]
    [InlineData("model.layers.1.mlp.down_proj.weight", null, ElementType.F32, "has no tensor 'model.layers.1.mlp.down_proj.weight'")]
    [InlineData("model.norm.weight", 31, ElementType.F32, "expected shape [32] by config.json, found [31]")]
    [InlineData("model.norm.weight", 32, ElementType.I32, "expected floating-point weights, found I32")]
    public void Read_TensorDoesNotFit_IsUnreadable(string name, int? size, ElementType type, string expected)
    {
        Write(ElementType.F32, change: spec => spec.Name != name ? spec : size is int count ? new TensorSpec(name, type, count) : null);
        using ResidentModel model = TinyRun.NewModel(_folder["model"]);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(_folder["model"]);

        var error = Assert.Throws<UnreadableInputException>(() => ModelImport.Read(checkpoint, model, TestContext.Current.CancellationToken));

        Assert.Contains(expected, error.Message);
        Assert.NotNull(error.Hint);
    }

    /// <summary>Imports a reference model whose checkpoint has further tensors.</summary>
    private void Read(string golden, TensorSpec[] further, Action<IReadOnlyList<string>> check)
    {
        string source = Path.Combine(GoldenFolder.Repository, golden);
        string path = _folder["more.safetensors"];
        using (SafetensorsCheckpoint original = SafetensorsCheckpoint.Open(Path.Combine(source, "model.safetensors")))
        using (var writer = new SafetensorsWriter(path, [.. original.Tensors.Values.Select(tensor => tensor.Spec), .. further]))
        {
            foreach (TensorInfo tensor in original.Tensors.Values)
            {
                byte[] bytes = new byte[tensor.SizeBytes];
                original.Read(tensor.Name, 0, bytes);
                Put(writer, tensor.Name, bytes);
            }

            foreach (TensorSpec spec in further)
            {
                Put(writer, spec.Name, new byte[spec.SizeBytes]);
            }

            writer.Complete();
        }

        using ResidentModel model = TinyRun.NewModel(source);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        check(ModelImport.Read(checkpoint, model, TestContext.Current.CancellationToken));
    }

    private void Write(ElementType type, long shardBytes = long.MaxValue, Func<string, string>? rename = null, Func<TensorSpec, TensorSpec?>? change = null)
    {
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(_folder["model"]));
        (string Original, TensorSpec Spec)[] specs =
        [
            .. layout.Units.SelectMany(unit => unit.Parameters)
                .Select(parameter => (parameter.Name, Spec: new TensorSpec(rename?.Invoke(parameter.Name) ?? parameter.Name, type, [.. parameter.Shape])))
                .Select(pair => (pair.Name, Spec: change is null ? pair.Spec : change(pair.Spec)!)).Where(pair => pair.Spec is not null),
        ];
        using var staging = new AtomicFolder(_folder["shards"]);
        using (var writer = new ShardedSafetensorsWriter(staging, [.. specs.Select(pair => pair.Spec)], shardBytes))
        {
            foreach ((string original, TensorSpec spec) in specs)
            {
                writer.BeginTensor(spec.Name);
                writer.Write(Encode(original, spec.Type, (int)(spec.SizeBytes / spec.Type.SizeBytes())));
                writer.EndTensor();
            }

            writer.Complete();
        }

        staging.Commit();
        foreach (string file in Directory.GetFiles(_folder["shards"]))
        {
            File.Move(file, Path.Combine(_folder["model"], Path.GetFileName(file)));
        }
    }

    private static byte[] Encode(string name, ElementType type, int count)
    {
        float[] values = [.. Enumerable.Range(0, count).Select(index => Value(name, index))];
        return type switch
        {
            ElementType.F16 => MemoryMarshal.AsBytes<Half>(values.Select(value => (Half)value).ToArray()).ToArray(),
            ElementType.BF16 => MemoryMarshal.AsBytes<ushort>(values.Select(value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)).ToArray()).ToArray(),
            _ => MemoryMarshal.AsBytes<float>(values).ToArray(),
        };
    }

    // Small multiples of 1/8: exact in every type.
    private static float Value(string name, int index) => (((name.Length * 7) + index) % 61 - 30) / 8f;

    private static IEnumerable<(string Name, float[] Values)> Values(ResidentModel model)
    {
        foreach (UnitLayout unit in model.Layout.Units)
        {
            foreach (ParameterInfo parameter in unit.Parameters)
            {
                var values = new float[parameter.Count];
                model.ReadMasters(unit.Index, parameter.Offset, values);
                yield return (parameter.Name, values);
            }
        }
    }

    private static void Put(SafetensorsWriter writer, string name, byte[] bytes)
    {
        writer.BeginTensor(name);
        writer.Write(bytes);
        writer.EndTensor();
    }
}
