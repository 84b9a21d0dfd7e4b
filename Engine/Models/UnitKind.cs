namespace Offload.Engine.Models;

/// <summary>What a unit computes.</summary>
internal enum UnitKind
{
    /// <summary>Token embedding, with learned positions where the model has them.</summary>
    Embedding,

    /// <summary>One decoder layer.</summary>
    Layer,

    /// <summary>Final norm, and the head's matrix unless it is tied to the embedding's.</summary>
    Head,
}
