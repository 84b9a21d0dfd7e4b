namespace Offload.Swap.Schedules;

/// <summary>Values that move between slots.</summary>
public enum ContentKind : byte
{
    /// <summary>A unit's weights for compute.</summary>
    Weights,

    /// <summary>A tile of a unit's optimizer states.</summary>
    States,

    /// <summary>What a unit reads of a micro-batch; the output of the unit before it.</summary>
    Input,

    /// <summary>What a layer's backward needs of its forward and what leaves the GPU in between.</summary>
    Activations,

    /// <summary>What a layer's backward needs of its forward and what stays on the GPU.</summary>
    KeptActivations,

    /// <summary>Gradient of a unit's input, of a micro-batch.</summary>
    HiddenGradient,

    /// <summary>fp32 sums of a unit's gradients so far.</summary>
    GradientSum,

    /// <summary>The head's sum of a matrix that it shares with the embedding.</summary>
    TiedGradientSum,

    /// <summary>A unit's gradients, rounded.</summary>
    Gradient,

    /// <summary>Sums of squares so far.</summary>
    Norm,

    /// <summary>What became of the step.</summary>
    Decision,

    /// <summary>All of the step is done: for orders whose steps do not overlap. No bytes of its own.</summary>
    StepEnd,
}
