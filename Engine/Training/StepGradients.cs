namespace Offload.Engine.Training;

/// <summary>What a step's forward and backward found.</summary>
/// <param name="Loss">Mean over the counted tokens of the whole step.</param>
/// <param name="Norm">Global norm of the rounded gradients, before clipping.</param>
/// <param name="NumCountedTokens">Tokens that count in the loss.</param>
/// <param name="NonFiniteUnit">First unit with a NaN or infinite gradient; null if all are finite.</param>
internal readonly record struct StepGradients(double Loss, double Norm, long NumCountedTokens, string? NonFiniteUnit)
{
    /// <summary>The update may be made.</summary>
    public bool IsFinite => NonFiniteUnit is null && double.IsFinite(Loss);
}
