using Offload.Profiles;

namespace Offload.Engine.Optimizers;

/// <summary>
/// The float32 constants of one AdamW step, each computed in float64 with IEEE operations only (no library pow, whose last bit varies
/// between platforms) and rounded once: docs/numerics.md. The same for every parameter and every kernel. Immutable: any thread.
/// </summary>
internal readonly record struct AdamWStep
{
    /// <param name="options">What stays the same over the run.</param>
    /// <param name="learningRate">Of this step; finite, 0 or more.</param>
    /// <param name="step">1 for the first update of the moments.</param>
    /// <param name="gradientScale">What every gradient is multiplied by, after its rounding: see <see cref="GradientNorm.ClipScale"/>.</param>
    /// <exception cref="UsageException">The learning rate is not a finite number of 0 or more.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="step"/> is less than 1.</exception>
    public AdamWStep(AdamWOptions options, double learningRate, long step, float gradientScale = 1f)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        if (!(learningRate >= 0 && double.IsFinite(learningRate)))
        {
            throw new UsageException($"learning rate at step {step}: expected a finite number of 0 or more, found {learningRate}");
        }

        GradientScale = gradientScale;
        WeightFactor = (float)(1.0 - (learningRate * options.WeightDecay));
        LerpFromGradient = (float)(1.0 - options.Beta1) >= 0.5f;
        LerpFactor = LerpFromGradient ? -(float)options.Beta1 : (float)(1.0 - options.Beta1);
        SecondMomentDecay = (float)options.Beta2;
        SecondMomentGain = (float)(1.0 - options.Beta2);
        InverseRootCorrection = (float)(1.0 / Math.Sqrt(1.0 - Power(options.Beta2, step)));
        Epsilon = (float)options.Epsilon;
        NegativeStepSize = (float)-(learningRate / (1.0 - Power(options.Beta1, step)));
    }

    /// <summary>What every gradient is multiplied by.</summary>
    public float GradientScale { get; }

    /// <summary>1 - learning rate * weight decay.</summary>
    public float WeightFactor { get; }

    /// <summary>
    /// Whether the first moment is interpolated from the gradient's side, as PyTorch's lerp does when 1 - beta1 is 0.5 or more: it keeps
    /// a small gradient from drowning in a large old moment.
    /// </summary>
    public bool LerpFromGradient { get; }

    /// <summary>1 - beta1, or -beta1 if <see cref="LerpFromGradient"/>.</summary>
    public float LerpFactor { get; }

    /// <summary>beta2.</summary>
    public float SecondMomentDecay { get; }

    /// <summary>1 - beta2.</summary>
    public float SecondMomentGain { get; }

    /// <summary>1 / sqrt(1 - beta2^step).</summary>
    public float InverseRootCorrection { get; }

    /// <summary>epsilon.</summary>
    public float Epsilon { get; }

    /// <summary>-(learning rate) / (1 - beta1^step).</summary>
    public float NegativeStepSize { get; }

    /// <summary>value^exponent by repeated squaring: the same bits everywhere; its error, about exponent * 2^-53, matters only where the power no longer does.</summary>
    private static double Power(double value, long exponent)
    {
        double result = 1.0;
        for (double square = value; exponent > 0; exponent >>= 1, square *= square)
        {
            if ((exponent & 1) == 1)
            {
                result *= square;
            }
        }

        return result;
    }
}
