using System.Runtime.Intrinsics;
using Offload.Engine.Optimizers;
using Offload.Storage;

namespace Offload.Benchmarks;

/// <summary>
/// What the memory can do: plain vector loops without arithmetic to speak of. <see cref="Mix"/> moves the very streams of AdamW (five
/// read, four of them written back); copy and triad are McCalpin's STREAM kernels, counted as he counts.
/// </summary>
internal static unsafe class StreamKernels
{
    /// <summary>Reads what AdamW reads and writes what it writes. [count], a multiple of 32</summary>
    /// <param name="states">Read and written back.</param>
    /// <param name="gradient">Read.</param>
    /// <param name="count">Parameters.</param>
    /// <param name="zero">0, which the compiler must not know: what is written is what was read, so the states stay ordinary numbers.</param>
    public static void Mix(AdamWStates states, GradientPointer gradient, long count, int zero)
    {
        if (gradient.ElementType == ElementType.BF16)
        {
            MixBFloat16(states, (ushort*)gradient.Address, count, zero);
        }
        else
        {
            MixFloat32(states, (float*)gradient.Address, count, zero);
        }
    }

    /// <summary>a = b. [count], a multiple of 16</summary>
    public static void Copy(float* a, float* b, long count)
    {
        for (long i = 0; i < count; i += 16)
        {
            Vector512.Load(b + i).Store(a + i);
        }
    }

    /// <summary>a = b + s c. [count], a multiple of 16</summary>
    public static void Triad(float* a, float* b, float* c, long count)
    {
        Vector512<float> s = Vector512.Create(3f);
        for (long i = 0; i < count; i += 16)
        {
            (Vector512.Load(b + i) + (s * Vector512.Load(c + i))).Store(a + i);
        }
    }

    private static void MixBFloat16(AdamWStates states, ushort* gradients, long count, int zero)
    {
        Vector512<ushort> mask = Vector512.Create((ushort)zero);
        Vector512<float> zeros = Vector512.Create((float)zero);
        for (long i = 0; i < count; i += 32)
        {
            Vector512<ushort> gradient = Vector512.Load(gradients + i) & mask;
            (Vector512.Load(states.WeightHigh + i) + gradient).Store(states.WeightHigh + i);
            (Vector512.Load(states.WeightLow + i) + gradient.AsInt16()).Store(states.WeightLow + i);
            (Vector512.Load(states.FirstMoment + i) + zeros).Store(states.FirstMoment + i);
            (Vector512.Load(states.FirstMoment + i + 16) + zeros).Store(states.FirstMoment + i + 16);
            (Vector512.Load(states.SecondMoment + i) + zeros).Store(states.SecondMoment + i);
            (Vector512.Load(states.SecondMoment + i + 16) + zeros).Store(states.SecondMoment + i + 16);
        }
    }

    private static void MixFloat32(AdamWStates states, float* gradients, long count, int zero)
    {
        Vector512<float> zeros = Vector512.Create((float)zero);
        for (long i = 0; i < count; i += 32)
        {
            Vector512<float> lower = Vector512.Load(gradients + i) * zeros;
            Vector512<float> upper = Vector512.Load(gradients + i + 16) * zeros;
            (Vector512.Load(states.WeightHigh + i) + lower.AsUInt16()).Store(states.WeightHigh + i);
            (Vector512.Load(states.WeightLow + i) + upper.AsInt16()).Store(states.WeightLow + i);
            (Vector512.Load(states.FirstMoment + i) + lower).Store(states.FirstMoment + i);
            (Vector512.Load(states.FirstMoment + i + 16) + upper).Store(states.FirstMoment + i + 16);
            (Vector512.Load(states.SecondMoment + i) + lower).Store(states.SecondMoment + i);
            (Vector512.Load(states.SecondMoment + i + 16) + upper).Store(states.SecondMoment + i + 16);
        }
    }
}
