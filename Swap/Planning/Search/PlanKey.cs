using System.Text;

namespace Offload.Swap.Planning.Search;

/// <summary>Two plans that are the same have the same text.</summary>
internal static class PlanKey
{
    /// <summary>The text of a plan.</summary>
    public static string Of(SwapPlan plan)
    {
        var text = new StringBuilder(16 + (plan.Units.Count * 8));
        Add(text, (int)plan.Order, (int)plan.Update, plan.IsDurable ? 1 : 0);
        Add(text, plan.WeightSlots, plan.GradientSlots, plan.ActivationSlots);
        Add(text, plan.StagingSlots, plan.HostWeightSlots, plan.TileSlots);
        text.Append((char)('0' + plan.GradientStagingSlots)).Append((char)('0' + (int)(plan.DelayedShare * 64)));
        foreach (UnitPlan unit in plan.Units)
        {
            Add(text, (int)unit.Weights, (int)unit.States, (int)unit.Input);
            text.Append((char)('a' + (int)unit.Gradients));
            foreach (ActivationPolicy policy in unit.Activations)
            {
                text.Append((char)('A' + (int)policy));
            }
        }

        return text.ToString();
    }

    private static void Add(StringBuilder text, int first, int second, int third) =>
        text.Append((char)('0' + first)).Append((char)('0' + second)).Append((char)('0' + third));
}
