using Offload.Engine.Models;

namespace Offload.Engine.Optimizers;

/// <summary>Neighbouring parameters of a unit that share weight decay: one run of the update.</summary>
/// <param name="Offset">First element within the unit.</param>
/// <param name="Count">Elements.</param>
/// <param name="IsDecayed">Weight decay applies.</param>
internal readonly record struct DecayRange(long Offset, long Count, bool IsDecayed)
{
    /// <summary>The ranges of a unit, in order, without gaps.</summary>
    public static IReadOnlyList<DecayRange> Of(UnitLayout unit, WeightDecayScope scope)
    {
        var ranges = new List<DecayRange>();
        foreach (ParameterInfo parameter in unit.Parameters)
        {
            bool isDecayed = scope == WeightDecayScope.All || parameter.IsMatrix;
            if (ranges.Count > 0 && ranges[^1].IsDecayed == isDecayed)
            {
                ranges[^1] = ranges[^1] with { Count = ranges[^1].Count + parameter.Count };
            }
            else
            {
                ranges.Add(new DecayRange(parameter.Offset, parameter.Count, isDecayed));
            }
        }

        return ranges;
    }
}
