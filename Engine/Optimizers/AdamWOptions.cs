using Offload.Profiles;

namespace Offload.Engine.Optimizers;

/// <summary>
/// What of AdamW stays the same over a run (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2). Defaults are PyTorch's. The learning rate is
/// given at each step: a schedule sets it. Immutable: any thread.
/// </summary>
internal sealed record AdamWOptions
{
    /// <param name="beta1">Decay of the first moment, in [0, 1).</param>
    /// <param name="beta2">Decay of the second moment, in [0, 1).</param>
    /// <param name="epsilon">Added to the root of the second moment; at least the smallest normal float32, so that 0 / 0 cannot happen.</param>
    /// <param name="weightDecay">Decoupled weight decay per unit of learning rate; 0 or more.</param>
    /// <exception cref="UsageException">A value is out of its range.</exception>
    public AdamWOptions(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double weightDecay = 0.01)
    {
        RequireDecay("beta1", beta1);
        RequireDecay("beta2", beta2);
        if (!(epsilon >= 1.17549435e-38 && epsilon <= float.MaxValue))
        {
            throw new UsageException($"AdamW epsilon: expected a number from 1.2e-38 to 3.4e38, found {epsilon}", "the usual value is 1e-8");
        }

        if (!(weightDecay >= 0 && double.IsFinite(weightDecay)))
        {
            throw new UsageException($"AdamW weight decay: expected a finite number of 0 or more, found {weightDecay}", "usual values are 0 to 0.1");
        }

        Beta1 = beta1;
        Beta2 = beta2;
        Epsilon = epsilon;
        WeightDecay = weightDecay;
    }

    /// <summary>Decay of the first moment.</summary>
    public double Beta1 { get; }

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 { get; }

    /// <summary>Added to the root of the second moment.</summary>
    public double Epsilon { get; }

    /// <summary>Decoupled weight decay per unit of learning rate.</summary>
    public double WeightDecay { get; }

    private static void RequireDecay(string name, double value)
    {
        // As a float32 it must stay below 1 too, or the moment would never forget.
        if (!(value >= 0 && (float)value < 1f))
        {
            throw new UsageException($"AdamW {name}: expected a number from 0 to below 1, found {value}", "usual values are 0.9 and 0.999");
        }
    }
}
