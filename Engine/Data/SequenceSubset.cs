namespace Offload.Engine.Data;

/// <summary>The sequences at a range of a permutation.</summary>
internal sealed class SequenceSubset(ISequenceDataset all, Permutation order, long first, long count) : ISequenceDataset
{
    public long NumSequences => count;

    public int SequenceLength => all.SequenceLength;

    public void Read(long sequenceIndex, Span<int> inputIds, Span<int> labels) => all.Read(Map(sequenceIndex), inputIds, labels);

    private long Map(long sequenceIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequenceIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sequenceIndex, count);
        return order[first + sequenceIndex];
    }
}
