using Offload.Engine.Compute;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

public sealed class DecoderLayerTests
{
    /// <summary>Relative, of a tensor's norm; float32 with sums of at most some hundred terms.</summary>
    private const double Tolerance = 3e-5;

    [Theory]
    [MemberData(nameof(Seeds))]
    public void ForwardAndBackward_RandomLayer_AgreeWithAutogradOfANaiveLayer(int seed)
    {
        var random = new Random(seed);
        DecoderConfig config = RandomModels.Config(random) with { NumLayers = 1 };
        var shape = new BatchShape(random.Next(1, 4), random.Next(1, 20));
        string what = $"seed {seed}: {RandomModels.Describe(config)} batch {shape}";
        ModelLayout layout = ModelLayout.Create(config);
        UnitLayout unit = layout.Units[1];
        float[] values = RandomModels.Parameters(random, unit);
        using DisposeScope scope = NewDisposeScope();
        Tensor input = Tensors.Normal(random, ScalarType.Float32, shape.Rows, config.HiddenSize);
        Tensor gradOutput = Tensors.Normal(random, ScalarType.Float32, shape.Rows, config.HiddenSize);
        Tensor sumsStart = Tensors.Normal(random, ScalarType.Float32, unit.Count);

        Dictionary<string, Tensor> leaves = RandomModels.Leaves(unit, values);
        Tensor inputLeaf = input.clone().requires_grad_();
        Tensor expected = new NaiveDecoder(config, leaves).Layer(0, inputLeaf.view(shape.Sequences, shape.Tokens, -1)).reshape(shape.Rows, -1);
        (expected * gradOutput).sum().backward();

        Tensor sumsFlat = sumsStart.clone();
        using var weights = new LayerTensors(layout.Layer, tensor(values));
        using var sums = new LayerTensors(layout.Layer, sumsFlat);
        var layer = new DecoderLayer(layout, config.Rope is null ? null : new RotaryTables(config.Rope, config.HeadSize, shape.Tokens));
        (Tensor output, LayerActivations saved) = layer.Forward(weights, input.clone(), shape);
        float[][] savedValues = [.. All(saved).Select(Tensors.Values)];
        float[] gradOutputValues = Tensors.Values(gradOutput);
        Tensor gradInput = layer.Backward(weights, sums, saved, gradOutput, shape);

        Tensors.AssertNear(expected, output, Tolerance, $"output, {what}");
        Tensors.AssertNear(inputLeaf.grad!, gradInput, Tolerance, $"gradient of the input, {what}");
        float[] gradients = Tensors.Values(sumsFlat - sumsStart);
        // A key bias without rotation has no gradient but rounding: it is measured against the whole layer's.
        double floor = 1e-2 * Math.Sqrt(leaves.Values.Sum(leaf => Math.Pow(leaf.grad!.norm().item<float>(), 2)));
        foreach (ParameterInfo parameter in unit.Parameters)
        {
            Tensors.AssertNear(
                Tensors.Values(leaves[parameter.Name].grad!.contiguous()),
                gradients.AsSpan((int)parameter.Offset, (int)parameter.Count),
                Tolerance,
                $"gradient of {parameter.Name}, {what}",
                floor);
        }

        Assert.Equal(gradOutputValues, Tensors.Values(gradOutput));
        Assert.Equal(savedValues, All(saved).Select(Tensors.Values));
        saved.Dispose();
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void ForwardAndBackward_Twice_SameBits(ScalarType type)
    {
        DecoderConfig config = RandomModels.Config(new Random(11)) with { HiddenSize = 64, NumHeads = 4, NumKeyValueHeads = 2, HeadSize = 16 };
        ModelLayout layout = ModelLayout.Create(config);
        float[][] results = [Run(), Run()];
        Assert.Equal(results[0], results[1]);

        float[] Run()
        {
            using DisposeScope scope = NewDisposeScope();
            var random = new Random(12);
            var shape = new BatchShape(3, 50);
            Tensor sumsFlat = zeros(layout.Units[1].Count);
            using var weights = new LayerTensors(layout.Layer, tensor(RandomModels.Parameters(random, layout.Units[1])).to(type));
            using var sums = new LayerTensors(layout.Layer, sumsFlat);
            var layer = new DecoderLayer(layout, config.Rope is null ? null : new RotaryTables(config.Rope, config.HeadSize, shape.Tokens));
            (_, LayerActivations saved) = layer.Forward(weights, Tensors.Normal(random, type, shape.Rows, 64), shape);
            Tensor gradInput = layer.Backward(weights, sums, saved, Tensors.Normal(random, type, shape.Rows, 64), shape);
            return [.. Tensors.Values(gradInput), .. Tensors.Values(sumsFlat)];
        }
    }

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(0, 60)];

    private static IEnumerable<Tensor> All(LayerActivations saved) =>
        ((Tensor?[])[saved.Input, saved.Qkv, saved.RawQueryKey, saved.AttentionOutput, saved.LogSumExp, saved.Middle, saved.Up]).OfType<Tensor>();
}
