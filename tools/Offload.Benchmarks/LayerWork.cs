using Offload.Engine.Compute;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Benchmarks;

/// <summary>
/// One decoder layer (Llama: hidden 512, MLP 1408, 8 heads, 4 key/value heads; 4 sequences of 256 tokens) forward and backward: the
/// engine's explicit one, and the same layer as a careful user of TorchSharp's autograd writes it. Owns its tensors; one thread.
/// </summary>
internal sealed class LayerWork : IDisposable
{
    private static readonly DecoderConfig Config = new()
    {
        ModelType = "llama",
        VocabularySize = 8,
        HiddenSize = 512,
        NumLayers = 1,
        NumHeads = 8,
        NumKeyValueHeads = 4,
        HeadSize = 64,
        IntermediateSize = 1408,
        MaxPositions = 256,
        Norm = NormKind.RmsNorm,
        NormEpsilon = 1e-5,
        Activation = ActivationKind.Silu,
        GatedMlp = true,
        Rope = new RopeConfig(RopeKind.Default, 10_000),
        QueryKeyValueBias = false,
        AttentionOutputBias = false,
        MlpBias = false,
        TiedEmbeddings = false,
    };

    private static readonly BatchShape Shape = new(4, 256);

    private readonly DecoderLayer _layer;
    private readonly Tensor _flat;
    private readonly Tensor _sumsFlat;
    private readonly LayerTensors _weights;
    private readonly LayerTensors _sums;
    private readonly Tensor _input;
    private readonly Tensor _gradOutput;
    private readonly AutogradLayer _autograd;

    public LayerWork(ScalarType type)
    {
        ModelLayout layout = ModelLayout.Create(Config);
        _layer = new DecoderLayer(layout, new RotaryTables(Config.Rope!, Config.HeadSize, Shape.Tokens));
        random.manual_seed(1);
        using (DisposeScope scope = NewDisposeScope())
        {
            _flat = (randn(layout.Units[1].Count) * 0.04).to(type).DetachFromDisposeScope();
            _input = randn(Shape.Rows, Config.HiddenSize).to(type, copy: true).DetachFromDisposeScope();
            _gradOutput = randn(Shape.Rows, Config.HiddenSize).to(type, copy: true).DetachFromDisposeScope();
        }

        _sumsFlat = zeros(layout.Units[1].Count);
        _weights = new LayerTensors(layout.Layer, _flat);
        _sums = new LayerTensors(layout.Layer, _sumsFlat);
        _weights.InputNorm.fill_(1);
        _weights.MlpNorm.fill_(1);
        _autograd = new AutogradLayer(Config, _weights, Shape);
    }

    /// <summary>Forward and backward by the engine.</summary>
    public void Explicit()
    {
        (Tensor output, LayerActivations saved) = _layer.Forward(_weights, _input.alias(), Shape);
        output.Dispose();
        _layer.Backward(_weights, _sums, saved, _gradOutput, Shape).Dispose();
        saved.Dispose();
    }

    /// <summary>Forward and backward by autograd.</summary>
    public void Autograd()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor input = _input.detach().requires_grad_();
        _autograd.Forward(input).backward([_gradOutput]);
    }

    /// <summary>Largest relative difference of the two results' norms, so that what is compared is the same work.</summary>
    public double Difference()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor input = _input.detach().clone().requires_grad_();
        Tensor expected = _autograd.Forward(input);
        expected.backward([_gradOutput]);
        (Tensor output, LayerActivations saved) = _layer.Forward(_weights, _input.clone(), Shape);
        Tensor gradInput = _layer.Backward(_weights, _sums, saved, _gradOutput, Shape);
        saved.Dispose();
        return Math.Max(Relative(expected, output), Relative(input.grad!, gradInput));
    }

    /// <summary>Bytes of the tensors that the engine's backward needs, a layer.</summary>
    public long ExplicitSavedBytes()
    {
        (Tensor output, LayerActivations saved) = _layer.Forward(_weights, _input.clone(), Shape);
        long bytes = ((Tensor?[])[saved.Input, saved.Qkv, saved.RawQueryKey, saved.AttentionOutput, saved.LogSumExp, saved.Middle, saved.Up])
            .Sum(tensor => tensor is null ? 0 : tensor.numel() * tensor.element_size());
        output.Dispose();
        saved.Dispose();
        return bytes;
    }

    /// <summary>Growth of resident memory a layer, over a stack of layers run forward with nothing freed.</summary>
    public long ExplicitStackBytes(int numLayers)
    {
        using DisposeScope scope = NewDisposeScope();
        var saved = new List<LayerActivations>();
        Tensor x = _input.clone();
        return ProcessMemory.Growth(numLayers, () =>
        {
            (x, LayerActivations activations) = _layer.Forward(_weights, x, Shape);
            saved.Add(activations);
        });
    }

    /// <inheritdoc cref="ExplicitStackBytes"/>
    public long AutogradStackBytes(int numLayers)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = _input.clone().requires_grad_();
        return ProcessMemory.Growth(numLayers, () => x = _autograd.Forward(x));
    }

    public void Dispose()
    {
        _autograd.Dispose();
        _weights.Dispose();
        _sums.Dispose();
        _flat.Dispose();
        _sumsFlat.Dispose();
        _input.Dispose();
        _gradOutput.Dispose();
    }

    private static double Relative(Tensor expected, Tensor actual)
    {
        Tensor reference = expected.detach().to(ScalarType.Float32);
        return (actual.to(ScalarType.Float32) - reference).norm().item<float>() / reference.norm().item<float>();
    }
}
