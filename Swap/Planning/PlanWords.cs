using System.Globalization;
using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Decisions of a plan in words, for reports. Any thread.</summary>
public static class PlanWords
{
    /// <summary>Where one kind of a unit's bytes lives: <c>layers: 10 Gpu, 22 Cpu; embedding Cpu; head Gpu</c>.</summary>
    /// <param name="work">The step.</param>
    /// <param name="plan">Its plan.</param>
    /// <param name="tierOf">The kind.</param>
    public static string Tiers(Workload work, SwapPlan plan, Func<UnitPlan, Tier> tierOf)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(plan);
        IEnumerable<string> layers = Layers(work, plan).CountBy(tierOf).OrderBy(tier => tier.Key).Select(tier => $"{tier.Value.ToString(CultureInfo.InvariantCulture)} {tier.Key}");
        IEnumerable<string> others = work.Units.Zip(plan.Units).Where(unit => unit.First.Role != UnitRole.Layer).Select(unit => $"{unit.First.Name} {tierOf(unit.Second)}");
        return $"layers: {string.Join(", ", layers)}; {string.Join(", ", others)}";
    }

    /// <summary>What becomes of activations: <c>qkv: kept; mlp: swap to cpu in 10, recompute in 12</c>.</summary>
    /// <param name="work">The step.</param>
    /// <param name="plan">Its plan.</param>
    public static string Activations(Workload work, SwapPlan plan)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(plan);
        var byPolicy = new List<string>();
        UnitShape shape = work.Units.First(unit => unit.Role == UnitRole.Layer);
        UnitPlan[] layers = [.. Layers(work, plan)];
        for (int i = 0; i < shape.Activations.Count; i++)
        {
            int index = i;
            IEnumerable<string> policies = layers.Where(layer => index < layer.Activations.Count).CountBy(layer => layer.Activations[index]).OrderBy(policy => policy.Key)
                .Select(policy => policy.Value == layers.Length ? Words(policy.Key) : $"{Words(policy.Key)} in {policy.Value.ToString(CultureInfo.InvariantCulture)}");
            byPolicy.Add($"{shape.Activations[i].Name}: {string.Join(", ", policies)}");
        }

        return string.Join("; ", byPolicy);
    }

    /// <summary><c>SwapToCpu</c> as <c>swap to cpu</c>.</summary>
    /// <param name="value">A name in capitals.</param>
    public static string Words<T>(T value)
        where T : struct, Enum => string.Concat(value.ToString().Select((letter, i) => char.IsUpper(letter) ? (i > 0 ? " " : "") + char.ToLowerInvariant(letter) : letter.ToString()));

    private static IEnumerable<UnitPlan> Layers(Workload work, SwapPlan plan) => work.Units.Zip(plan.Units).Where(unit => unit.First.Role == UnitRole.Layer).Select(unit => unit.Second);
}
