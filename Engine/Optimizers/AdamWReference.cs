using Offload.Storage;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>
/// AdamW one parameter at a time: the written list of operations of docs/numerics.md, in code. The vector kernels give its bits; it also
/// does their remainders. Stateless: any thread.
/// </summary>
internal static unsafe class AdamWReference
{
    /// <summary>The one NaN that weights and moments can be.</summary>
    private static readonly float CanonicalNaN = BitConverter.UInt32BitsToSingle(SplitMaster.CanonicalNaNBits);

    /// <summary>Updates one parameter. Every line is one IEEE binary32 operation, rounded to nearest even.</summary>
    /// <param name="step">The step's constants.</param>
    /// <param name="gradient">Widened to float32.</param>
    /// <param name="weight">Master weight.</param>
    /// <param name="firstMoment">Old first moment.</param>
    /// <param name="secondMoment">Old second moment.</param>
    public static (float Weight, float FirstMoment, float SecondMoment) UpdateElement(
        in AdamWStep step, float gradient, float weight, float firstMoment, float secondMoment)
    {
        float scaled = gradient * step.GradientScale;
        float difference = scaled - firstMoment;
        float newFirst = MathF.FusedMultiplyAdd(difference, step.LerpFactor, step.LerpFromGradient ? scaled : firstMoment);
        float decayedSecond = secondMoment * step.SecondMomentDecay;
        float gain = scaled * step.SecondMomentGain;
        float newSecond = MathF.FusedMultiplyAdd(gain, scaled, decayedSecond);
        float root = MathF.Sqrt(newSecond);
        float denominator = MathF.FusedMultiplyAdd(root, step.InverseRootCorrection, step.Epsilon);
        float direction = newFirst / denominator;
        float decayedWeight = weight * step.WeightFactor;
        float newWeight = MathF.FusedMultiplyAdd(direction, step.NegativeStepSize, decayedWeight);
        return (Canonical(newWeight), Canonical(newFirst), Canonical(newSecond));
    }

    /// <summary>Updates <paramref name="count"/> parameters. Parameters are as <see cref="AdamWKernel.Update(in AdamWStep, AdamWStates, AdamWStates, GradientPointer, long)"/>'s.</summary>
    public static void Update(in AdamWStep step, AdamWStates source, AdamWStates destination, GradientPointer gradient, long count)
    {
        if (gradient.ElementType == ElementType.BF16)
        {
            Update<BFloat16Gradient>(step, source, destination, gradient.Address, 0, count);
        }
        else
        {
            Update<Float32Gradient>(step, source, destination, gradient.Address, 0, count);
        }
    }

    internal static void Update<TGradient>(
        in AdamWStep step, AdamWStates source, AdamWStates destination, void* gradients, long start, long end)
        where TGradient : struct, IGradientElement
    {
        for (long index = start; index < end; index++)
        {
            float weight = SplitMaster.Join(source.WeightHigh[index], source.WeightLow[index]);
            float gradient = TGradient.Load(gradients, index);
            (weight, destination.FirstMoment[index], destination.SecondMoment[index]) =
                UpdateElement(step, gradient, weight, source.FirstMoment[index], source.SecondMoment[index]);
            (destination.WeightHigh[index], destination.WeightLow[index]) = SplitMaster.Split(weight);
        }
    }

    private static float Canonical(float value) => float.IsNaN(value) ? CanonicalNaN : value;
}
