namespace Offload.Swap.Schedules;

/// <summary>What an operation does; the lane follows from it. The executor has one handler a kind.</summary>
public enum OperationKind : byte
{
    /// <summary>Compute: one unit's forward over one micro-batch.</summary>
    Forward,

    /// <summary>Compute: the head over one micro-batch: loss and its whole backward, chunk by chunk.</summary>
    HeadLoss,

    /// <summary>Compute: the head over one micro-batch: the loss alone.</summary>
    ForwardLoss,

    /// <summary>Compute: one unit's backward over one micro-batch, what was not kept computed again first; adds to the gradient sums.</summary>
    Backward,

    /// <summary>Compute: rounds a unit's gradient sums once, after its last micro-batch.</summary>
    RoundGradients,

    /// <summary>Compute: a unit's share of the global gradient norm, from gradients that stay on the GPU.</summary>
    NormOnGpu,

    /// <summary>Compute: the optimizer over one tile whose states are on the GPU.</summary>
    UpdateOnGpu,

    /// <summary>H2D: a unit's 16-bit weights.</summary>
    LoadWeights,

    /// <summary>H2D: what a layer's backward needs of its forward.</summary>
    LoadActivations,

    /// <summary>H2D: a unit's gradient sums, between two micro-batches.</summary>
    LoadSums,

    /// <summary>D2H: the same, out of the way.</summary>
    SaveActivations,

    /// <summary>D2H: a unit's rounded gradients.</summary>
    SaveGradients,

    /// <summary>D2H: a unit's gradient sums, between two micro-batches.</summary>
    SaveSums,

    /// <summary>D2H: a tile of states that lives on the GPU, on its way to the drives.</summary>
    SaveStates,

    /// <summary>SsdRead: a unit's 16-bit weights, where CPU memory does not hold them.</summary>
    ReadWeights,

    /// <summary>SsdRead: one tile of optimizer states.</summary>
    ReadStates,

    /// <summary>SsdRead: gradients that had no room in CPU memory.</summary>
    ReadGradients,

    /// <summary>SsdRead: activations that had no room in CPU memory.</summary>
    ReadActivations,

    /// <summary>SsdWrite: one tile of new states.</summary>
    WriteStates,

    /// <summary>SsdWrite: gradients that have no room in CPU memory.</summary>
    WriteGradients,

    /// <summary>SsdWrite: activations that have no room in CPU memory.</summary>
    WriteActivations,

    /// <summary>SsdWrite: makes what was written since the last one durable.</summary>
    Commit,

    /// <summary>CpuUpdate: a unit's share of the global gradient norm.</summary>
    GradientNorm,

    /// <summary>CpuUpdate: whether the step counts, and by how much its gradients are scaled; needs every unit's share.</summary>
    DecideStep,

    /// <summary>CpuUpdate: the optimizer over one tile.</summary>
    UpdateStates,
}
