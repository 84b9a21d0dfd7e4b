namespace Offload.Profiles;

/// <summary>A model's shape as arithmetic needs it: bytes and FLOPs follow.</summary>
/// <param name="NumParameters">All parameters, a tied matrix once.</param>
/// <param name="NumMatrixParameters">Elements of the matrices that every token is multiplied by: the head's once, tied or not; not the input embedding.</param>
/// <param name="NumLayers">Decoder layers.</param>
/// <param name="AttentionWidth">Query heads * head size.</param>
public sealed record ModelProfile(long NumParameters, long NumMatrixParameters, int NumLayers, long AttentionWidth)
{
    /// <summary>
    /// Model FLOPs of forward and backward for one token: 6 for each matrix parameter, and attention counted at its causal half;
    /// nothing for recomputation.
    /// </summary>
    /// <param name="sequenceTokens">Tokens of a sequence.</param>
    public double FlopsPerToken(int sequenceTokens) =>
        (6.0 * NumMatrixParameters) + (6.0 * NumLayers * AttentionWidth * sequenceTokens);
}
