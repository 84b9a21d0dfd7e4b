using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Swap.Planning.Costs;

namespace Offload.Swap.Planning.Search;

/// <summary>What is to be planned: a model, a step, a machine, budgets. Immutable.</summary>
public sealed record PlanRequest
{
    /// <summary>The model cut into micro-batches of so many sequences. <see cref="Workload.NumMicroBatches"/> is set by the planner.</summary>
    public required Func<int, Workload> WorkloadOf { get; init; }

    /// <summary>Arithmetic of the model by convention, for model TFLOP/s.</summary>
    public required ModelProfile Model { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public required int SequenceTokens { get; init; }

    /// <summary>Sequences of a step, all micro-batches together.</summary>
    public required int SequencesPerStep { get; init; }

    /// <summary>Rates of the machine.</summary>
    public required HardwareProfile Hardware { get; init; }

    /// <summary>GPU memory that may be used, bytes.</summary>
    public required long GpuBudgetBytes { get; init; }

    /// <summary>CPU memory that may be used, bytes.</summary>
    public required long CpuBudgetBytes { get; init; }

    /// <summary>Part of <see cref="CpuBudgetBytes"/> that the engine takes beside the plan's slots: readers, buffers.</summary>
    public long CpuBesideBytes { get; init; }

    /// <summary>Room on the drives, bytes; null: there are none.</summary>
    public long? NvmeBudgetBytes { get; init; }

    /// <summary>What is fixed.</summary>
    public PlanChoices Choices { get; init; } = new();

    /// <summary>Constants of the cost model.</summary>
    public CostOptions Costs { get; init; } = new();
}
