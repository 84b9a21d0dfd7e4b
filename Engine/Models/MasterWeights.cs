namespace Offload.Engine.Models;

/// <summary>Short ways to read masters.</summary>
internal static class MasterWeights
{
    /// <summary>Reads one range whole.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="unitIndex">The unit.</param>
    /// <param name="offset">First element within the unit.</param>
    /// <param name="destination">Receives them.</param>
    public static void ReadMasters(this IMasterWeights weights, int unitIndex, long offset, float[] destination) => weights.ReadMasters(
        [new MasterRange(unitIndex, offset, destination.Length)],
        (_, start, masters) => masters.CopyTo(destination.AsSpan((int)start)));

    /// <summary>Copies all masters, unit by unit in order.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="destination">Of the same model.</param>
    public static void CopyTo(this IMasterWeights weights, IMasterWeightsTarget destination)
    {
        weights.ReadMasters(
            [.. weights.Layout.Units.Select(unit => new MasterRange(unit.Index, 0, unit.Count))],
            (unit, offset, masters) => destination.WriteMasters(unit, offset, masters));
        destination.CompleteMasters();
    }
}
