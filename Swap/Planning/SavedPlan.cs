namespace Offload.Swap.Planning;

/// <summary>A plan as a file holds it: with what it was made for, so that it is not used for something else. Immutable.</summary>
public sealed record SavedPlan
{
    /// <summary>For people: the model's name.</summary>
    public required string Model { get; init; }

    /// <summary>Of the model's units and their shapes: a plan fits no other model.</summary>
    public required string ModelHash { get; init; }

    /// <summary>Element type of the compute: "bfloat16".</summary>
    public required string Dtype { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public required int SequenceTokens { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    public required int MicroBatchSequences { get; init; }

    /// <summary>Micro-batches of a step.</summary>
    public required int NumMicroBatches { get; init; }

    /// <summary>Generations of states on the drives.</summary>
    public required int StoreGenerations { get; init; }

    /// <summary>All decisions.</summary>
    public required SwapPlan Plan { get; init; }
}
