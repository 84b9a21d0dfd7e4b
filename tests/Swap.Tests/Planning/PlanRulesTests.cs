using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning;

public sealed class PlanRulesTests
{
    private static readonly Workload Work = BalancedStep.CreateWork(numLayers: 2, numMicroBatches: 2);
    private static readonly SwapPlan Plan = BalancedStep.CreatePlan(Work, UpdateMode.Separate);

    public static TheoryData<string, SwapPlan> Contradictions => new()
    {
        { "order Fuyou has no update mode Deferred", Plan with { Order = StepOrder.Fuyou, Update = UpdateMode.Deferred } },
        { "order Fuyou has no update mode Speculative", Plan with { Order = StepOrder.Fuyou, Update = UpdateMode.Speculative } },
        { "order ZeroInfinity has no update mode Immediate", Plan with { Order = StepOrder.ZeroInfinity, Update = UpdateMode.Immediate } },
        { "activations are swapped in order ZeroInfinity", Plan with { Order = StepOrder.ZeroInfinity } },
        { "delays no share", Plan with { DelayedShare = 0.5 } },
        { "a share of 1.5", Plan with { Update = UpdateMode.Immediate, DelayedShare = 1.5 } },
        { "a share of NaN", Plan with { Update = UpdateMode.Immediate, DelayedShare = double.NaN } },
        { "WeightSlots is 0", Plan with { WeightSlots = 0 } },
        { "GradientStagingSlots is 0", Plan with { GradientStagingSlots = 0 } },
        { "the plan is for 3 units, the model has 4", Plan with { Units = [.. Plan.Units.Take(3)] } },
        { "the plan has 0 activations, the model 1", WithLayers(unit => unit with { Activations = [] }) },
        { "states on the GPU, weights on Cpu", WithLayers(unit => unit with { States = Tier.Gpu }) },
        { "weights on the drives, states on Cpu", WithLayers(unit => unit with { States = Tier.Cpu, Weights = Tier.Nvme }) },
        { "gradients wait on the GPU", WithLayers(unit => unit with { Gradients = Tier.Gpu }) },
        { "states on the drives in a plan that writes none", Plan with { IsDurable = false } },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public void Validate_Contradiction_IsNamed(string expected, SwapPlan plan)
    {
        PlanInfeasibleException refused = Assert.Throws<PlanInfeasibleException>(() => plan.Validate(Work));

        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
        Assert.Throws<PlanInfeasibleException>(() => SwapSchedules.Train(Work, plan));
    }

    [Fact]
    public void Validate_UnitsInAnotherOrder_IsNamed()
    {
        PlanInfeasibleException refused = Assert.Throws<PlanInfeasibleException>(() => Plan.Validate(Work with { Units = [.. Work.Units.Reverse()] }));

        Assert.StartsWith("unit 0 'head': expected role Embedding, found Head", refused.Message, StringComparison.Ordinal);
    }

    private static SwapPlan WithLayers(Func<UnitPlan, UnitPlan> change) =>
        Plan with { Units = [.. Plan.Units.Select((unit, index) => Work.Units[index].Role == UnitRole.Layer ? change(unit) : unit)] };
}
