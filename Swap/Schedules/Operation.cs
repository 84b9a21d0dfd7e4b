namespace Offload.Swap.Schedules;

/// <summary>One thing that one lane does.</summary>
public readonly record struct Operation
{
    /// <summary>Number for what an operation has none of: no unit, no micro-batch, no tile.</summary>
    public const int None = -1;

    /// <summary>What it does.</summary>
    public required OperationKind Kind { get; init; }

    /// <summary>Who does it.</summary>
    public Lane Lane => LaneOf(Kind);

    /// <summary>What the pass is for.</summary>
    public Pass Pass { get; init; }

    /// <summary>The unit, or <see cref="None"/>.</summary>
    public required int Unit { get; init; }

    /// <summary>The micro-batch, or <see cref="None"/>.</summary>
    public required int MicroBatch { get; init; }

    /// <summary>The tile of the unit's states, or <see cref="None"/>.</summary>
    public required int Tile { get; init; }

    /// <summary>When it is to be done at all.</summary>
    public Guard Guard { get; init; }

    /// <summary>It belongs to the step of the period before: nothing to do in a first period, nor in one after a drain.</summary>
    public bool IsDelayed { get; init; }

    /// <summary>
    /// Part of an update that also brings its unit's weights from the drives: there is something to do even if the step before has left nothing, or
    /// is skipped.
    /// </summary>
    public bool BringsWeights { get; init; }

    /// <summary>Arithmetic of a compute operation: matrix products.</summary>
    public double Flops { get; init; }

    /// <summary>Arithmetic of attention, which has rates of its own.</summary>
    public double AttentionFlops { get; init; }

    /// <summary>Bytes over the lane's link; of an update: parameters.</summary>
    public long Amount { get; init; }

    /// <summary>Bytes that it moves in CPU memory, which all share.</summary>
    public long HostBytes { get; init; }

    /// <summary>The lane that does a kind of operation.</summary>
    public static Lane LaneOf(OperationKind kind) => kind switch
    {
        OperationKind.Forward or OperationKind.HeadLoss or OperationKind.ForwardLoss or OperationKind.Backward or OperationKind.RoundGradients
            or OperationKind.NormOnGpu or OperationKind.UpdateOnGpu => Lane.Compute,
        OperationKind.LoadWeights or OperationKind.LoadActivations or OperationKind.LoadSums => Lane.H2D,
        OperationKind.SaveActivations or OperationKind.SaveGradients or OperationKind.SaveSums or OperationKind.SaveStates => Lane.D2H,
        OperationKind.ReadWeights or OperationKind.ReadStates or OperationKind.ReadGradients or OperationKind.ReadActivations => Lane.SsdRead,
        OperationKind.WriteStates or OperationKind.WriteGradients or OperationKind.WriteActivations or OperationKind.Commit => Lane.SsdWrite,
        OperationKind.GradientNorm or OperationKind.DecideStep or OperationKind.UpdateStates => Lane.CpuUpdate,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a kind of operation"),
    };
}
