using System.Runtime.InteropServices;
using Offload.Engine.Optimizers;

namespace Offload.Engine.Cuda.Kernels;

/// <summary>What the AdamW kernel takes of an <see cref="AdamWStep"/>: laid out as the structure of the same name in optimizer.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct AdamWConstants(in AdamWStep step)
{
    private readonly float _gradientScale = step.GradientScale;
    private readonly float _weightFactor = step.WeightFactor;
    private readonly float _lerpFactor = step.LerpFactor;
    private readonly float _secondMomentDecay = step.SecondMomentDecay;
    private readonly float _secondMomentGain = step.SecondMomentGain;
    private readonly float _inverseRootCorrection = step.InverseRootCorrection;
    private readonly float _epsilon = step.Epsilon;
    private readonly float _negativeStepSize = step.NegativeStepSize;
    private readonly int _lerpFromGradient = step.LerpFromGradient ? 1 : 0;
}
