using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Profiling;

/// <summary>Where everything was in a measured step, in words and in shares. Immutable.</summary>
public sealed record StepProfilePlan
{
    /// <summary>Weights for compute, in words.</summary>
    public required string Weights { get; init; }

    /// <summary>Optimizer states, in words.</summary>
    public required string States { get; init; }

    /// <summary>Gradients that wait for their update, in words.</summary>
    public required string Gradients { get; init; }

    /// <summary>Inputs of layers, in words.</summary>
    public required string LayerInputs { get; init; }

    /// <summary>What became of activations, in words.</summary>
    public required string Activations { get; init; }

    /// <summary>Weights for compute, of all parameters.</summary>
    public required TierShares WeightShares { get; init; }

    /// <summary>Optimizer states, of all parameters.</summary>
    public required TierShares StateShares { get; init; }

    /// <summary>Describes a plan.</summary>
    internal static StepProfilePlan Of(Workload work, SwapPlan plan) => new()
    {
        Weights = PlanWords.Tiers(work, plan, unit => unit.Weights),
        States = PlanWords.Tiers(work, plan, unit => unit.States),
        Gradients = PlanWords.Tiers(work, plan, unit => unit.Gradients),
        LayerInputs = PlanWords.Tiers(work, plan, unit => unit.Input),
        Activations = PlanWords.Activations(work, plan),
        WeightShares = Shares(work, plan, unit => unit.Weights),
        StateShares = Shares(work, plan, unit => unit.States),
    };

    private static TierShares Shares(Workload work, SwapPlan plan, Func<UnitPlan, Tier> tierOf)
    {
        double all = work.Units.Sum(unit => unit.NumParameters);
        return new TierShares(Of(Tier.Gpu), Of(Tier.Cpu), Of(Tier.Nvme));

        double Of(Tier tier) => work.Units.Zip(plan.Units).Where(unit => tierOf(unit.Second) == tier).Sum(unit => unit.First.NumParameters) / all;
    }
}
