using System.CommandLine;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Cli;

/// <summary>Options of a model that is swapped between tiers, and what they mean to the engine; null: the planner decides.</summary>
internal static class SwapArguments
{
    private const string Auto = "auto";

    /// <summary>The order of a step.</summary>
    internal static Option<string?> Schedule { get; } = CommonOptions.OneOf(
        "--schedule", "Order of a swapped step [the planner's choice]", "layer-major", "micro-batch-major", "fuyou", "zero-infinity");

    /// <summary>Where states live.</summary>
    internal static Option<string?> States { get; } = CommonOptions.OneOf("--states", "Where the states of a swapped model live [auto]", Auto, "cpu", "nvme");

    /// <summary>When units are updated.</summary>
    internal static Option<string?> Update { get; } = CommonOptions.OneOf(
        "--update", "When a swapped step updates [auto]", Auto, "immediate", "deferred", "separate", "speculative");

    /// <summary>A saved plan.</summary>
    internal static Option<string?> Plan { get; } = CommonOptions.Text("--plan", "FILE", "Plan of a swapped step, as offload plan saved it");

    /// <summary>What the planner goes by.</summary>
    internal static Option<string?> Hardware { get; } = CommonOptions.Text("--hardware", "FILE|NAME", "Hardware profile that the planner goes by");

    /// <summary>Nothing overlaps.</summary>
    internal static Option<bool> Sequential { get; } = new("--sequential") { Description = "One operation of a swapped step at a time: slower, the same result" };

    /// <summary>All of a training run, with the ceiling on GPU memory.</summary>
    internal static IReadOnlyList<Option> All => [CommonOptions.GpuMemory, Schedule, States, Update, Plan, Hardware, Sequential];

    /// <summary>The value of <c>--schedule</c>; null if not given.</summary>
    internal static StepOrder? ReadOrder(CommandContext context) => context.Get(Schedule) switch
    {
        "layer-major" => StepOrder.LayerMajor,
        "micro-batch-major" => StepOrder.MicroBatchMajor,
        "fuyou" => StepOrder.Fuyou,
        "zero-infinity" => StepOrder.ZeroInfinity,
        _ => null,
    };

    /// <summary>The value of <c>--update</c>; null if not given or auto.</summary>
    internal static UpdateMode? ReadUpdate(CommandContext context) => context.Get(Update) is { } word and not Auto ? Enum.Parse<UpdateMode>(word, ignoreCase: true) : null;

    /// <summary>The value of <c>--states</c>; null if not given or auto.</summary>
    internal static Tier? ReadStates(CommandContext context) => context.Get(States) is { } word and not Auto ? Enum.Parse<Tier>(word, ignoreCase: true) : null;
}
