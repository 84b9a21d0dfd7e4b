using Offload.Engine.Models;
using Offload.Engine.Parallelism;

namespace Offload.Engine.Optimizers;

/// <summary>
/// AdamW over any run of a unit's parameters, decaying what is decayed. How a unit is cut into runs does not change a bit. Nothing is
/// allocated once a unit was seen. One call at a time; the threads are the caller's.
/// </summary>
/// <param name="layout">The model.</param>
/// <param name="threads">Who does the work; not disposed here.</param>
internal sealed unsafe class UnitUpdate(ModelLayout layout, ParallelRanges threads)
{
    private readonly ParallelAdamW _update = new(threads);
    private readonly IReadOnlyList<DecayRange>?[] _ranges = new IReadOnlyList<DecayRange>?[layout.Units.Count];
    private WeightDecayScope _scope;

    /// <summary>Updates a run of parameters.</summary>
    /// <param name="unitIndex">The unit.</param>
    /// <param name="first">First parameter within the unit.</param>
    /// <param name="count">Parameters.</param>
    /// <param name="source">Their states: the first is the one of parameter <paramref name="first"/>.</param>
    /// <param name="destination">Where the new states go: the same, or others that do not overlap them.</param>
    /// <param name="gradients">Their gradients, likewise.</param>
    /// <param name="step">The step's constants.</param>
    /// <param name="weights">Receive their weights in the compute type, which is the gradients', likewise; null: they are not wanted.</param>
    public void Run(
        int unitIndex, long first, long count, AdamWStates source, AdamWStates destination, GradientPointer gradients, in UpdateStep step, byte* weights = null)
    {
        if (_scope != step.Scope)
        {
            Array.Clear(_ranges);
            _scope = step.Scope;
        }

        IReadOnlyList<DecayRange> ranges = _ranges[unitIndex] ??= DecayRange.Of(layout.Units[unitIndex], step.Scope);
        for (int i = 0; i < ranges.Count; i++)
        {
            long start = Math.Max(first, ranges[i].Offset);
            long end = Math.Min(first + count, ranges[i].Offset + ranges[i].Count);
            if (start < end)
            {
                _update.Update(
                    ranges[i].IsDecayed ? step.Decayed : step.Plain, source.From(start - first), destination.From(start - first), gradients.From(start - first), end - start,
                    weights is null ? null : weights + ((start - first) * gradients.ElementBytes));
            }
        }
    }
}
