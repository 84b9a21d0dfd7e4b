using Offload.Engine.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Profiling;

/// <summary>Rates of a layer's arithmetic: matrix products and attention, as a step has them. libtorch is loaded; one thread at a time.</summary>
/// <param name="meter">Times the work.</param>
/// <param name="options">Sizes and type.</param>
/// <param name="type">Element type of the compute.</param>
internal sealed class ComputeProbe(RateMeter meter, HardwareMeasurementOptions options, ScalarType type)
{
    private const int HeadSize = 64;

    /// <summary>The three products that a linear layer has in a step: forward, gradient of its input, gradient of its weights.</summary>
    public MeasuredRate Matmul()
    {
        using DisposeScope scope = NewDisposeScope();
        int tokens = options.Tokens;
        int width = options.MatrixWidth;
        Tensor input = Random(tokens, width);
        Tensor weights = Random(width, width);
        Tensor gradient = Random(tokens, width);
        return meter.Measure(
            "gpu.matmulTflops", "TFLOP/s", 3 * 2.0 * tokens * width * width / 1e12, $"forward, input and weight gradients of a linear layer, {tokens} x {width} x {width}, {Name}", () =>
            {
                using DisposeScope sample = NewDisposeScope();
                mm(input, weights.t());
                mm(gradient, weights);
                mm(gradient.t(), input);
            });
    }

    /// <summary>Causal attention's forward, its arithmetic counted at the causal half.</summary>
    public MeasuredRate AttentionForward()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor q = Heads(), k = Heads(), v = Heads();
        return meter.Measure("gpu.attentionForwardTflops", "TFLOP/s", ForwardTeraFlops, $"causal attention, {Shape}", () =>
        {
            using DisposeScope sample = NewDisposeScope();
            Aten.CausalAttentionCpu(q, k, v);
        });
    }

    /// <summary>Its backward, which has five products where the forward has two.</summary>
    public MeasuredRate AttentionBackward()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor q = Heads(), k = Heads(), v = Heads(), gradient = Heads();
        (Tensor output, Tensor logSumExp) = Aten.CausalAttentionCpu(q, k, v);
        return meter.Measure("gpu.attentionBackwardTflops", "TFLOP/s", 2.5 * ForwardTeraFlops, $"causal attention's backward, {Shape}", () =>
        {
            using DisposeScope sample = NewDisposeScope();
            Aten.CausalAttentionCpuBackward(gradient, q, k, v, output, logSumExp);
        });
    }

    private int NumHeads => Math.Max(1, options.MatrixWidth / HeadSize);

    // Two products of tokens x tokens x head size a head, half of each below the diagonal.
    private double ForwardTeraFlops => 2.0 * options.Tokens * options.Tokens * HeadSize * NumHeads / 1e12;

    private string Name => type == ScalarType.BFloat16 ? "bfloat16" : "float32";

    private string Shape => $"{NumHeads} heads of {HeadSize}, {options.Tokens} tokens, {Name}";

    private Tensor Heads() => Random(1, NumHeads, options.Tokens, HeadSize);

    // Numbers of ordinary size: zeros and subnormals may be faster or slower.
    private Tensor Random(params long[] shape) => randn(shape).to_type(type);
}
