using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>Plans that differ from another in one thing.</summary>
internal static class PlanEdits
{
    /// <summary>One unit otherwise.</summary>
    public static SwapPlan WithUnit(this SwapPlan plan, int index, UnitPlan unit)
    {
        UnitPlan[] units = [.. plan.Units];
        units[index] = unit;
        return plan with { Units = units };
    }

    /// <summary>One activation of a unit otherwise.</summary>
    public static UnitPlan WithActivation(this UnitPlan unit, int index, ActivationPolicy policy)
    {
        ActivationPolicy[] policies = [.. unit.Activations];
        policies[index] = policy;
        return unit with { Activations = policies };
    }

    /// <summary>Whether a unit's tiers are a combination that there is: who updates on the CPU reads weights that the CPU has written.</summary>
    public static bool IsSound(this UnitPlan unit) => unit.States switch
    {
        Tier.Gpu => unit.Weights == Tier.Gpu,
        Tier.Cpu => unit.Weights != Tier.Nvme,
        _ => true,
    };

    /// <summary>0 .. count - 1, each prefix spread evenly over all: the order in which layers get what not all can have.</summary>
    public static int[] SpreadOrder(int count)
    {
        // Van der Corput's sequence: numbers sorted by their bits from right to left.
        return [.. Enumerable.Range(0, count).OrderBy(Reversed)];
    }

    private static uint Reversed(int number)
    {
        uint reversed = 0;
        for (int bit = 0; bit < 32; bit++)
        {
            reversed |= (((uint)number >> bit) & 1) << (31 - bit);
        }

        return reversed;
    }
}
