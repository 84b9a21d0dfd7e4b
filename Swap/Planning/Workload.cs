namespace Offload.Swap.Planning;

/// <summary>A step to be planned: a model's units and how the tokens of a step are cut.</summary>
public sealed record Workload
{
    private static readonly int[] SplitMasterParts = [2, 2, 4, 4];

    /// <summary>Units in the order of the forward pass: embedding, layers, head.</summary>
    public required IReadOnlyList<UnitShape> Units { get; init; }

    /// <summary>Micro-batches of a step.</summary>
    public required int NumMicroBatches { get; init; }

    /// <summary>Hidden states of one micro-batch: what one unit hands to the next.</summary>
    public required long HiddenBytes { get; init; }

    /// <summary>Bytes of a weight as compute reads it: 2 (bfloat16) or 4 (float32).</summary>
    public required int WeightBytes { get; init; }

    /// <summary>Bytes of a gradient on its way to the optimizer: 2 or 4.</summary>
    public required int GradientBytes { get; init; }

    /// <summary>The head multiplies by the embedding's matrix: its unit comes twice in a pass and has two gradient sums.</summary>
    public bool IsTied { get; init; }

    /// <summary>GPU memory that compute takes beside its slots, at most, while it works on one micro-batch.</summary>
    public long WorkspaceBytes { get; init; }

    /// <summary>
    /// All shares of the gradient norm are computed on the GPU, where the gradients are, also of units that are updated on the CPU. A device whose
    /// sums differ in their bits from the CPU's has to: they must not depend on the plan.
    /// </summary>
    public bool AreNormsOnGpu { get; init; }

    /// <summary>Bytes of a parameter's optimizer states, its master weight included.</summary>
    public int StateBytes { get; init; } = 12;

    /// <summary>Bytes of a parameter that an update writes to the drives; null: <see cref="StateBytes"/>. The published systems write 16-bit weights apart: 14.</summary>
    public int? StateWriteBytes { get; init; }

    /// <summary>Bytes a parameter of each part of a tile, which is padded to whole pages: high and low half of the master weight, first and second moment.</summary>
    public IReadOnlyList<int> StatePartBytes => StateBytes == 12 ? SplitMasterParts : [StateBytes];

    /// <summary>Parameters of a tile of states.</summary>
    public long TileParameters { get; init; } = 1 << 21;
}
