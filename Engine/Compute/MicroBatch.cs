namespace Offload.Engine.Compute;

/// <summary>Token ids and what is to be predicted after each.</summary>
/// <param name="Shape">Sequences and tokens.</param>
/// <param name="Ids">[sequences * tokens].</param>
/// <param name="Targets">[sequences * tokens]: the id that follows; negative (-100): not counted.</param>
internal sealed record MicroBatch(BatchShape Shape, int[] Ids, int[] Targets)
{
    /// <summary>Number of targets that count.</summary>
    public int NumCounted { get; } = Targets.Count(target => target >= 0);
}
