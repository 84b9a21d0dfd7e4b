namespace Offload.Swap.Planning;

/// <summary>Values that move between slots.</summary>
internal enum ContentKind : byte
{
    Weights,
    States,
    Input,
    Activations,
    HiddenGradient,
    GradientSum,
    TiedGradientSum,
    Gradient,
    Norm,
    Decision,
}
