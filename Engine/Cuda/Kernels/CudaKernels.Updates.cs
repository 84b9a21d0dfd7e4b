using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Numerics;

namespace Offload.Engine.Cuda.Kernels;

/// <content>Gradient sums and the optimizer.</content>
internal sealed unsafe partial class CudaKernels
{
    /// <summary>Elements that a thread takes at once, of arrays of mixed types: 16 bytes of those of two.</summary>
    private const int FlatElements = 8;

    /// <summary>Elements of a block of the sum of squares are a multiple of this, and at least so many: a part of the definition of its order.</summary>
    private const int SquareElements = 16 << 10;

    private readonly UpdateKernels _updates;

    /// <summary>destination += source.</summary>
    /// <param name="destination">fp32 [count].</param>
    /// <param name="source">fp32 [count].</param>
    /// <param name="count">How many.</param>
    public void AddFloats(float* destination, float* source, long count)
    {
        bool isAligned = IsAligned(destination) && IsAligned(source);
        LaunchFlat(_updates.AddFloats, isAligned, count, VectorBytes / sizeof(float), [(nint)(&destination), (nint)(&source), (nint)(&count)]);
    }

    /// <summary>Rounds to nearest even, the bits of <see cref="BFloat16Convert.FromSingle(float)"/>.</summary>
    /// <param name="source">fp32 [count].</param>
    /// <param name="destination">bfloat16 [count]; shares no byte with what is read.</param>
    /// <param name="count">How many.</param>
    public void RoundToBFloat16(float* source, ushort* destination, long count)
    {
        bool isAligned = IsAligned(source) && IsAligned(destination);
        LaunchFlat(_updates.RoundToBFloat16, isAligned, count, FlatElements, [(nint)(&source), (nint)(&destination), (nint)(&count)]);
    }

    /// <summary>Sum of the squares in float64. Its order depends on the count alone, and is not the CPU's.</summary>
    /// <param name="gradient">[count].</param>
    /// <param name="isFloat32">float32; otherwise bfloat16.</param>
    /// <param name="count">How many; 0: the sum is 0.</param>
    /// <param name="partials">Scratch: <see cref="MaxSquarePartials"/> doubles.</param>
    /// <param name="result">Receives the sum; on the GPU or pinned.</param>
    public void SumOfSquares(void* gradient, bool isFloat32, long count, double* partials, double* result)
    {
        int float32 = isFloat32 ? 1 : 0;
        int isAligned = IsAligned(gradient) ? 1 : 0;
        long chunk = Math.Max(CeilingOf(CeilingOf(count, MaxSquarePartials), SquareElements), 1) * SquareElements;
        int numPartials = (int)CeilingOf(count, chunk);
        if (numPartials > 0)
        {
            _updates.SquarePartials.Launch(
                _stream, numPartials, 1, 1, BlockThreads, 0,
                [(nint)(&gradient), (nint)(&float32), (nint)(&isAligned), (nint)(&count), (nint)(&chunk), (nint)(&partials)]);
        }

        _updates.AddSquarePartials.Launch(_stream, 1, 1, 1, MaxSquarePartials, 0, [(nint)(&partials), (nint)(&numPartials), (nint)(&result)]);
    }

    /// <summary>One AdamW step: the bits of <see cref="AdamWReference"/>.</summary>
    /// <param name="step">The step's constants.</param>
    /// <param name="source">The old states.</param>
    /// <param name="destination">Where the new states go: the very arrays of <paramref name="source"/>, or others that do not overlap them.</param>
    /// <param name="gradient">The gradients, rounded, before scaling. [count]</param>
    /// <param name="gradientIsFloat32">float32; otherwise bfloat16.</param>
    /// <param name="weights">Receives the weights in the compute type; null: not wanted. [count]</param>
    /// <param name="count">Parameters.</param>
    public void AdamW(
        in AdamWStep step, AdamWStates source, AdamWStates destination, void* gradient, bool gradientIsFloat32, void* weights, long count)
    {
        var constants = new AdamWConstants(step);
        var from = new AdamWArrays(source);
        var to = new AdamWArrays(destination);
        int float32 = gradientIsFloat32 ? 1 : 0;
        bool isAligned = IsAligned(source) && IsAligned(destination) && IsAligned(gradient) && IsAligned(weights);
        LaunchFlat(
            _updates.AdamW, isAligned, count, FlatElements,
            [(nint)(&constants), (nint)(&from), (nint)(&to), (nint)(&gradient), (nint)(&float32), (nint)(&weights), (nint)(&count)]);
    }

    /// <summary>The weights in the compute type: the masters' high halves, or the masters.</summary>
    /// <param name="states">The states; moments are not read.</param>
    /// <param name="weights">[count].</param>
    /// <param name="count">Parameters.</param>
    public void SetWeights(AdamWStates states, void* weights, long count)
    {
        ushort* high = states.WeightHigh;
        short* low = states.WeightLow;
        bool isAligned = IsAligned(high) && (_type == ComputeType.BFloat16 || IsAligned(low)) && IsAligned(weights);
        LaunchFlat(_updates.SetWeights, isAligned, count, FlatElements, [(nint)(&high), (nint)(&low), (nint)(&weights), (nint)(&count)]);
    }

    private static bool IsAligned(AdamWStates states) =>
        IsAligned(states.WeightHigh) && IsAligned(states.WeightLow) && IsAligned(states.FirstMoment) && IsAligned(states.SecondMoment);

    private sealed class UpdateKernels(CudaModule module)
    {
        public KernelVariants AddFloats { get; } = KernelVariants.Of(module, "add_floats");

        public KernelVariants RoundToBFloat16 { get; } = KernelVariants.Of(module, "round_to_bfloat16");

        public CudaFunction SquarePartials { get; } = module.Get("square_partials");

        public CudaFunction AddSquarePartials { get; } = module.Get("add_square_partials");

        public KernelVariants AdamW { get; } = KernelVariants.Of(module, "adamw");

        public KernelVariants SetWeights { get; } = KernelVariants.Of(module, "set_weights");
    }
}
