namespace Offload.Swap.Planning;

/// <summary>Which unit and micro-batch comes after which. All orders give the same numbers.</summary>
public enum StepOrder : byte
{
    /// <summary>All micro-batches pass through a unit before the next unit: weights cross the bus twice a step (GreedySnake's vertical order, 2025).</summary>
    LayerMajor,

    /// <summary>A micro-batch passes through all units, forward and backward, before the next one: weights cross the bus twice a micro-batch.</summary>
    MicroBatchMajor,

    /// <summary>As <see cref="MicroBatchMajor"/>; units are updated under the last backward, or after the norm if gradients are clipped (Fuyou, 2024).</summary>
    Fuyou,

    /// <summary>As <see cref="MicroBatchMajor"/>; updates are a stage of their own, and the next step begins after it (ZeRO-Infinity, 2021).</summary>
    ZeroInfinity,
}
