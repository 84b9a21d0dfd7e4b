namespace Offload.Swap.Planning;

/// <summary>What a unit is in a step.</summary>
public enum UnitRole : byte
{
    /// <summary>First: from token ids to hidden states; its backward needs no input.</summary>
    Embedding,

    /// <summary>From hidden states to hidden states.</summary>
    Layer,

    /// <summary>Last: from hidden states to the loss, forward and backward at once.</summary>
    Head,
}
