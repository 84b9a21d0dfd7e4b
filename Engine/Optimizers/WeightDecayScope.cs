namespace Offload.Engine.Optimizers;

/// <summary>What weight decay applies to.</summary>
public enum WeightDecayScope
{
    /// <summary>Matrices alone: linear layers and embeddings, not norms and biases.</summary>
    Matrices,

    /// <summary>Every parameter.</summary>
    All,
}
