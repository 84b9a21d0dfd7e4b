namespace Offload.Engine.Models;

/// <summary>Rotary position embedding (RoFormer, section 3), in the half-split layout of the Hub's models.</summary>
/// <param name="Kind">Kind of frequencies.</param>
/// <param name="Theta">Base of the frequencies.</param>
/// <param name="Factor">Stretch of positions; 1 for <see cref="RopeKind.Default"/>.</param>
/// <param name="LowFrequencyFactor">Llama3 only.</param>
/// <param name="HighFrequencyFactor">Llama3 only.</param>
/// <param name="OriginalMaxPositions">Llama3 only: positions before stretching.</param>
internal sealed record RopeConfig(
    RopeKind Kind,
    double Theta,
    double Factor = 1,
    double LowFrequencyFactor = 1,
    double HighFrequencyFactor = 1,
    int OriginalMaxPositions = 0);
