using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>AdamW on vectors of 512 bits, 32 parameters at a time: <see cref="AdamWReference"/>'s operations in its order.</summary>
internal readonly unsafe struct AdamWVector512
{
    private const int Stride = 32;

    private readonly Vector512<float> _gradientScale;
    private readonly Vector512<float> _lerpFromGradient; // all bits set, or none
    private readonly Vector512<float> _lerpFactor;
    private readonly Vector512<float> _secondMomentDecay;
    private readonly Vector512<float> _secondMomentGain;
    private readonly Vector512<float> _inverseRootCorrection;
    private readonly Vector512<float> _epsilon;
    private readonly Vector512<float> _negativeStepSize;
    private readonly Vector512<float> _weightFactor;

    private AdamWVector512(in AdamWStep step)
    {
        _gradientScale = Vector512.Create(step.GradientScale);
        _lerpFromGradient = (step.LerpFromGradient ? Vector512<uint>.AllBitsSet : Vector512<uint>.Zero).AsSingle();
        _lerpFactor = Vector512.Create(step.LerpFactor);
        _secondMomentDecay = Vector512.Create(step.SecondMomentDecay);
        _secondMomentGain = Vector512.Create(step.SecondMomentGain);
        _inverseRootCorrection = Vector512.Create(step.InverseRootCorrection);
        _epsilon = Vector512.Create(step.Epsilon);
        _negativeStepSize = Vector512.Create(step.NegativeStepSize);
        _weightFactor = Vector512.Create(step.WeightFactor);
    }

    /// <summary>Updates the parameters that fill whole vectors.</summary>
    /// <returns>How many those are: the first ones.</returns>
    public static long Update<TGradient>(in AdamWStep step, AdamWStates source, AdamWStates destination, void* gradients, long count)
        where TGradient : struct, IGradientElement =>
        MayStream(source, destination)
            ? Update<TGradient, StreamingStores>(step, source, destination, gradients, count)
            : Update<TGradient, CachedStores>(step, source, destination, gradients, count);

    /// <summary>
    /// Into other memory than they were read from, new states go past the caches: a line that is written whole need not be read first, which saves a third
    /// of the traffic. Whoever waits for the update by a lock or an interlocked operation sees them.
    /// </summary>
    private static bool MayStream(AdamWStates source, AdamWStates destination) =>
        source.FirstMoment != destination.FirstMoment
        && (((nuint)destination.FirstMoment | (nuint)destination.SecondMoment | (nuint)destination.WeightLow) % 64) == 0;

    private static long Update<TGradient, TStores>(in AdamWStep step, AdamWStates source, AdamWStates destination, void* gradients, long count)
        where TGradient : struct, IGradientElement
        where TStores : struct, IVectorStores
    {
        var constants = new AdamWVector512(step);
        long index = 0;
        for (; index <= count - Stride; index += Stride)
        {
            (Vector512<float> gradientLower, Vector512<float> gradientUpper) = TGradient.Load512(gradients, index);
            (Vector512<float> weightLower, Vector512<float> weightUpper) =
                SplitMaster.Join(Vector512.Load(source.WeightHigh + index), Vector512.Load(source.WeightLow + index));
            weightLower = constants.Update<TStores>(
                gradientLower, weightLower,
                source.FirstMoment + index, source.SecondMoment + index,
                destination.FirstMoment + index, destination.SecondMoment + index);
            weightUpper = constants.Update<TStores>(
                gradientUpper, weightUpper,
                source.FirstMoment + index + 16, source.SecondMoment + index + 16,
                destination.FirstMoment + index + 16, destination.SecondMoment + index + 16);
            (Vector512<ushort> high, Vector512<short> low) = SplitMaster.Split(weightLower, weightUpper);
            high.Store(destination.WeightHigh + index);
            TStores.Store(low, destination.WeightLow + index);
        }

        return index;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector512<float> Update<TStores>(
        Vector512<float> gradient, Vector512<float> weight, float* oldFirst, float* oldSecond, float* toFirst, float* toSecond)
        where TStores : struct, IVectorStores
    {
        Vector512<float> firstMoment = Vector512.Load(oldFirst);
        Vector512<float> scaled = gradient * _gradientScale;
        Vector512<float> difference = scaled - firstMoment;
        Vector512<float> newFirst = Vector512.FusedMultiplyAdd(
            difference, _lerpFactor, Vector512.ConditionalSelect(_lerpFromGradient, scaled, firstMoment));
        Vector512<float> decayedSecond = Vector512.Load(oldSecond) * _secondMomentDecay;
        Vector512<float> gain = scaled * _secondMomentGain;
        Vector512<float> newSecond = Vector512.FusedMultiplyAdd(gain, scaled, decayedSecond);
        Vector512<float> root = Vector512.Sqrt(newSecond);
        Vector512<float> denominator = Vector512.FusedMultiplyAdd(root, _inverseRootCorrection, _epsilon);
        Vector512<float> direction = newFirst / denominator;
        Vector512<float> decayedWeight = weight * _weightFactor;
        TStores.Store(Canonical(newFirst), toFirst);
        TStores.Store(Canonical(newSecond), toSecond);
        return Vector512.FusedMultiplyAdd(direction, _negativeStepSize, decayedWeight); // the split makes its NaNs canonical
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Canonical(Vector512<float> value) => Vector512.ConditionalSelect(
        Vector512.Equals(value, value), value, Vector512.Create(SplitMaster.CanonicalNaNBits).AsSingle());
}
