using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>AdamW on vectors of 256 bits, 16 parameters at a time: <see cref="AdamWReference"/>'s operations in its order.</summary>
internal readonly unsafe struct AdamWVector256
{
    private const int Stride = 16;

    private readonly Vector256<float> _gradientScale;
    private readonly Vector256<float> _lerpFromGradient; // all bits set, or none
    private readonly Vector256<float> _lerpFactor;
    private readonly Vector256<float> _secondMomentDecay;
    private readonly Vector256<float> _secondMomentGain;
    private readonly Vector256<float> _inverseRootCorrection;
    private readonly Vector256<float> _epsilon;
    private readonly Vector256<float> _negativeStepSize;
    private readonly Vector256<float> _weightFactor;

    private AdamWVector256(in AdamWStep step)
    {
        _gradientScale = Vector256.Create(step.GradientScale);
        _lerpFromGradient = (step.LerpFromGradient ? Vector256<uint>.AllBitsSet : Vector256<uint>.Zero).AsSingle();
        _lerpFactor = Vector256.Create(step.LerpFactor);
        _secondMomentDecay = Vector256.Create(step.SecondMomentDecay);
        _secondMomentGain = Vector256.Create(step.SecondMomentGain);
        _inverseRootCorrection = Vector256.Create(step.InverseRootCorrection);
        _epsilon = Vector256.Create(step.Epsilon);
        _negativeStepSize = Vector256.Create(step.NegativeStepSize);
        _weightFactor = Vector256.Create(step.WeightFactor);
    }

    /// <summary>Updates the parameters that fill whole vectors.</summary>
    /// <returns>How many those are: the first ones.</returns>
    public static long Update<TGradient>(in AdamWStep step, AdamWStates source, AdamWStates destination, void* gradients, long count)
        where TGradient : struct, IGradientElement
    {
        var constants = new AdamWVector256(step);
        long index = 0;
        for (; index <= count - Stride; index += Stride)
        {
            (Vector256<float> gradientLower, Vector256<float> gradientUpper) = TGradient.Load256(gradients, index);
            (Vector256<float> weightLower, Vector256<float> weightUpper) =
                SplitMaster.Join(Vector256.Load(source.WeightHigh + index), Vector256.Load(source.WeightLow + index));
            weightLower = constants.Update(
                gradientLower, weightLower,
                source.FirstMoment + index, source.SecondMoment + index,
                destination.FirstMoment + index, destination.SecondMoment + index);
            weightUpper = constants.Update(
                gradientUpper, weightUpper,
                source.FirstMoment + index + 8, source.SecondMoment + index + 8,
                destination.FirstMoment + index + 8, destination.SecondMoment + index + 8);
            (Vector256<ushort> high, Vector256<short> low) = SplitMaster.Split(weightLower, weightUpper);
            high.Store(destination.WeightHigh + index);
            low.Store(destination.WeightLow + index);
        }

        return index;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Update(
        Vector256<float> gradient, Vector256<float> weight, float* oldFirst, float* oldSecond, float* toFirst, float* toSecond)
    {
        Vector256<float> firstMoment = Vector256.Load(oldFirst);
        Vector256<float> scaled = gradient * _gradientScale;
        Vector256<float> difference = scaled - firstMoment;
        Vector256<float> newFirst = Vector256.FusedMultiplyAdd(
            difference, _lerpFactor, Vector256.ConditionalSelect(_lerpFromGradient, scaled, firstMoment));
        Vector256<float> decayedSecond = Vector256.Load(oldSecond) * _secondMomentDecay;
        Vector256<float> gain = scaled * _secondMomentGain;
        Vector256<float> newSecond = Vector256.FusedMultiplyAdd(gain, scaled, decayedSecond);
        Vector256<float> root = Vector256.Sqrt(newSecond);
        Vector256<float> denominator = Vector256.FusedMultiplyAdd(root, _inverseRootCorrection, _epsilon);
        Vector256<float> direction = newFirst / denominator;
        Vector256<float> decayedWeight = weight * _weightFactor;
        Canonical(newFirst).Store(toFirst);
        Canonical(newSecond).Store(toSecond);
        return Vector256.FusedMultiplyAdd(direction, _negativeStepSize, decayedWeight); // the split makes its NaNs canonical
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Canonical(Vector256<float> value) => Vector256.ConditionalSelect(
        Vector256.Equals(value, value), value, Vector256.Create(SplitMaster.CanonicalNaNBits).AsSingle());
}
