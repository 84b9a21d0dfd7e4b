namespace Offload.Engine.Models;

/// <summary>Normalisation of a decoder layer.</summary>
internal enum NormKind
{
    /// <summary>x / rms(x) * weight.</summary>
    RmsNorm,

    /// <summary>(x - mean(x)) / std(x) * weight + bias.</summary>
    LayerNorm,
}
