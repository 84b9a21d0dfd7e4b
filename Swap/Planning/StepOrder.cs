namespace Offload.Swap.Planning;

/// <summary>In which order a step's micro-batches pass through the units.</summary>
public enum StepOrder : byte
{
    /// <summary>All micro-batches through a unit before the next unit.</summary>
    LayerMajor,

    /// <summary>A micro-batch through all units before the next micro-batch.</summary>
    MicroBatchMajor,

    /// <summary>As Fuyou: micro-batch-major, each unit updated under the backward of those before it.</summary>
    Fuyou,

    /// <summary>As ZeRO-Infinity: micro-batch-major, the optimizer a stage of its own.</summary>
    ZeroInfinity,
}
