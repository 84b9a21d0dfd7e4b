using Offload.Storage;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>
/// AdamW in one pass over the arrays: gradient in; high and low halves of the master weights and both moments in and out. The widest
/// vectors in hardware are used; every width gives the bits of <see cref="AdamWReference"/>. Stateless: any thread, on disjoint ranges.
/// </summary>
internal static unsafe class AdamWKernel
{
    /// <summary>Updates <paramref name="count"/> parameters on the calling thread.</summary>
    /// <param name="step">The step's constants.</param>
    /// <param name="source">The old states.</param>
    /// <param name="destination">Where the new states go: the very arrays of <paramref name="source"/>, or others that do not overlap them.</param>
    /// <param name="gradient">The gradients, rounded, before scaling.</param>
    /// <param name="count">Parameters; 0 or more.</param>
    public static void Update(in AdamWStep step, AdamWStates source, AdamWStates destination, GradientPointer gradient, long count) =>
        Update(step, source, destination, gradient, count, SimdSupport.Widest);

    internal static void Update(
        in AdamWStep step, AdamWStates source, AdamWStates destination, GradientPointer gradient, long count, SimdWidth width)
    {
        if (gradient.ElementType == ElementType.BF16)
        {
            Update<BFloat16Gradient>(step, source, destination, gradient.Address, count, width);
        }
        else
        {
            Update<Float32Gradient>(step, source, destination, gradient.Address, count, width);
        }
    }

    private static void Update<TGradient>(
        in AdamWStep step, AdamWStates source, AdamWStates destination, void* gradients, long count, SimdWidth width)
        where TGradient : struct, IGradientElement
    {
        long done = width switch
        {
            SimdWidth.Vector512 => AdamWVector512.Update<TGradient>(step, source, destination, gradients, count),
            SimdWidth.Vector256 => AdamWVector256.Update<TGradient>(step, source, destination, gradients, count),
            _ => 0,
        };
        AdamWReference.Update<TGradient>(step, source, destination, gradients, done, count);
    }
}
