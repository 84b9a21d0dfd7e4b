namespace Offload.Swap.Planning.Search;

/// <summary>
/// A model of fewer layers that stands for a deep one of equal layers: the search plans the small one and each of its layers stands for
/// several. Embedding and head shrink as the layers do, so that they keep their share of the step; memory is always counted on the whole model.
/// </summary>
internal sealed class ReducedModel
{
    /// <summary>8: tiers in eighths of the model. What is left of a budget goes to single layers of the whole model at the end.</summary>
    public const int DefaultMaxLayers = 8;

    // A unit's tiles in the search: enough for the next unit's reads to start under this one's updates.
    private const int TilesPerLayer = 3;

    private readonly int _numLayers;

    /// <param name="whole">The model.</param>
    /// <param name="maxLayers">Of the small one; <see cref="int.MaxValue"/>: it is the whole one, tiles included.</param>
    public ReducedModel(Workload whole, int maxLayers = DefaultMaxLayers)
    {
        Whole = whole;
        UnitShape[] layers = [.. whole.Units.Where(unit => unit.Role == UnitRole.Layer)];
        bool areEqual = layers.All(layer => AreAlike(layer, layers[0]));
        _numLayers = areEqual ? Math.Min(layers.Length, maxLayers) : layers.Length;
        double scale = layers.Length == 0 ? 1 : (double)_numLayers / layers.Length;
        Scale = 1 / scale;
        long tileParameters = layers.Length == 0 || maxLayers == int.MaxValue ? whole.TileParameters : layers.Max(layer => layer.NumParameters) / TilesPerLayer;
        Reduced = whole with
        {
            Units = [Shrink(whole.Units[0], scale), .. layers.Take(_numLayers), Shrink(whole.Units[^1], scale)],
            TileParameters = Math.Max(whole.TileParameters, tileParameters),
        };
    }

    /// <summary>All of it.</summary>
    public Workload Whole { get; }

    /// <summary>The small one.</summary>
    public Workload Reduced { get; }

    /// <summary>Time of a step of the whole model for one of the small one's.</summary>
    public double Scale { get; }

    /// <summary>A plan of the small model for the whole one.</summary>
    public SwapPlan Expand(SwapPlan plan)
    {
        int numLayers = Whole.Units.Count - 2;
        if (numLayers == _numLayers)
        {
            return plan;
        }

        var units = new UnitPlan[Whole.Units.Count];
        units[0] = plan.Units[0];
        units[^1] = plan.Units[^1];
        for (int i = 0; i < numLayers; i++)
        {
            // In turn, not in blocks: what alternates in the small plan keeps the drives evenly busy in the whole one.
            units[i + 1] = plan.Units[1 + (i % _numLayers)];
        }

        return plan with { Units = units };
    }

    /// <summary>A plan of the whole model for the small one: its first layers'.</summary>
    public SwapPlan Reduce(SwapPlan plan) =>
        plan with { Units = [plan.Units[0], .. plan.Units.Skip(1).Take(_numLayers), plan.Units[^1]] };

    private static UnitShape Shrink(UnitShape unit, double scale) => unit with
    {
        NumParameters = (long)(unit.NumParameters * scale),
        Flops = unit.Flops * scale,
        ElementBytes = unit.ElementBytes * scale,
    };

    private static bool AreAlike(UnitShape one, UnitShape other) =>
        one.NumParameters == other.NumParameters && one.Flops == other.Flops && one.AttentionFlops == other.AttentionFlops
        && one.ElementBytes == other.ElementBytes && one.Activations.SequenceEqual(other.Activations);
}
