using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>What a plan must keep to have a schedule. Stateless.</summary>
internal static class PlanRules
{
    /// <summary>Refuses a plan.</summary>
    /// <exception cref="PlanInfeasibleException">It breaks a rule.</exception>
    public static void Check(Workload work, SwapPlan plan)
    {
        CheckShape(work, plan);
        CheckOrder(plan);
        for (int unit = 0; unit < work.Units.Count; unit++)
        {
            CheckUnit(work.Units[unit], plan.Units[unit], plan);
        }
    }

    private static void CheckShape(Workload work, SwapPlan plan)
    {
        int count = work.Units.Count;
        Require(plan.Units.Count == count, $"the plan is for {plan.Units.Count} units, the model has {count}", "make the plan for this model");
        for (int unit = 0; unit < count; unit++)
        {
            UnitRole expected = unit == 0 ? UnitRole.Embedding : unit == count - 1 ? UnitRole.Head : UnitRole.Layer;
            Require(work.Units[unit].Role == expected, $"unit {unit} '{work.Units[unit].Name}': expected role {expected}, found {work.Units[unit].Role}", "units are embedding, layers, head");
        }

        Require(count >= 2, $"the model has {count} units, at least an embedding and a head are needed", "units are embedding, layers, head");
        Require(work.NumMicroBatches >= 1, $"a step has {work.NumMicroBatches} micro-batches, at least 1 is needed", "raise --tokens-per-step");
        Require(work.TileParameters >= 1, $"a tile has {work.TileParameters} parameters, at least 1 is needed", "take the default");
        (string Name, int Count)[] counts =
        [
            (nameof(plan.WeightSlots), plan.WeightSlots), (nameof(plan.GradientSlots), plan.GradientSlots), (nameof(plan.ActivationSlots), plan.ActivationSlots),
            (nameof(plan.StagingSlots), plan.StagingSlots), (nameof(plan.HostWeightSlots), plan.HostWeightSlots), (nameof(plan.TileSlots), plan.TileSlots),
            (nameof(plan.GradientStagingSlots), plan.GradientStagingSlots),
        ];
        foreach ((string name, int found) in counts)
        {
            Require(found >= 1, $"{name} is {found}, at least 1 is needed", "take the default");
        }
    }

    private static void CheckOrder(SwapPlan plan)
    {
        bool canUpdate = plan.Order switch
        {
            StepOrder.LayerMajor or StepOrder.MicroBatchMajor => Enum.IsDefined(plan.Update),
            StepOrder.Fuyou => plan.Update is UpdateMode.Immediate or UpdateMode.Separate,
            StepOrder.ZeroInfinity => plan.Update == UpdateMode.Separate,
            _ => false,
        };
        Require(canUpdate, $"order {plan.Order} has no update mode {plan.Update}", "fuyou updates immediately or separately, zero-infinity separately; layer-major and micro-batch-major in every mode");
        Require(plan.DelayedShare is >= 0 and <= 1, $"a share of {plan.DelayedShare} of the updates is delayed, expected 0 to 1", "0 delays none");
        Require(
            plan.DelayedShare == 0 || (plan.Update is UpdateMode.Immediate or UpdateMode.Speculative && plan.Order is not StepOrder.Fuyou),
            $"order {plan.Order} with update mode {plan.Update} delays no share of its updates, found {plan.DelayedShare}",
            "immediate and speculative updates can be delayed, in layer-major and micro-batch-major order");
    }

    private static void CheckUnit(UnitShape shape, UnitPlan unit, SwapPlan plan)
    {
        Require(
            unit.Activations.Count == shape.Activations.Count,
            $"unit '{shape.Name}': the plan has {unit.Activations.Count} activations, the model {shape.Activations.Count}",
            "make the plan for this model");
        Require(
            unit.States != Tier.Gpu || unit.Weights == Tier.Gpu,
            $"unit '{shape.Name}': states on the GPU, weights on {unit.Weights}",
            "states are on the GPU only together with the weights");
        Require(
            unit.Weights != Tier.Nvme || unit.States == Tier.Nvme,
            $"unit '{shape.Name}': weights on the drives, states on {unit.States}",
            "weights are read from the states on the drives: keep both there, or the weights in CPU memory");
        Require(unit.Gradients != Tier.Gpu, $"unit '{shape.Name}': gradients wait on the GPU", "they wait in CPU memory or on the drives; where the states are on the GPU they need no place");
        Require(
            plan.IsDurable || unit.States != Tier.Nvme,
            $"unit '{shape.Name}': states on the drives in a plan that writes none",
            "a plan with states on the drives is durable");
        Require(
            plan.Order != StepOrder.ZeroInfinity || !unit.Activations.Any(policy => policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme),
            $"unit '{shape.Name}': activations are swapped in order {StepOrder.ZeroInfinity}",
            "zero-infinity moves the inputs of layers alone: keep or recompute the rest");
    }

    private static void Require(bool holds, string message, string hint)
    {
        if (!holds)
        {
            throw new PlanInfeasibleException(message, hint);
        }
    }
}
