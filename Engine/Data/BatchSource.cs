using Offload.Engine.Compute;
using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>Micro-batches of a data set in an order: each a pure function of its position. Safe for concurrent use.</summary>
internal sealed class BatchSource
{
    private readonly ISequenceDataset _dataset;
    private readonly SequenceOrder _order;

    /// <param name="dataset">The sequences; stay the caller's.</param>
    /// <param name="order">An order of as many.</param>
    public BatchSource(ISequenceDataset dataset, SequenceOrder order)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(order.NumSequences, dataset.NumSequences);
        _dataset = dataset;
        _order = order;
    }

    /// <summary>Sequences in an epoch.</summary>
    public long NumSequences => _dataset.NumSequences;

    /// <summary>Reads the micro-batch at a position; it may reach into the next epoch.</summary>
    /// <param name="position">Sequences seen since the start of the run.</param>
    /// <param name="numSequences">Sequences to read.</param>
    /// <exception cref="StorageException">Reading fails.</exception>
    public MicroBatch Read(long position, int numSequences)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numSequences, 1);
        int length = _dataset.SequenceLength;
        var ids = new int[numSequences * length];
        var targets = new int[numSequences * length];
        for (int row = 0; row < numSequences; row++)
        {
            long sequenceIndex = _order.At(position + row).SequenceIndex;
            _dataset.Read(sequenceIndex, ids.AsSpan(row * length, length), targets.AsSpan(row * length, length));
        }

        return new MicroBatch(new BatchShape(numSequences, length), ids, targets);
    }

    /// <summary>The micro-batches of a range of positions; the last may be smaller.</summary>
    /// <param name="position">First sequence.</param>
    /// <param name="numSequences">Sequences in all.</param>
    /// <param name="microBatchSequences">Sequences of a micro-batch.</param>
    public IEnumerable<MicroBatch> ReadRange(long position, long numSequences, int microBatchSequences)
    {
        for (long done = 0; done < numSequences; done += microBatchSequences)
        {
            yield return Read(position + done, (int)Math.Min(microBatchSequences, numSequences - done));
        }
    }
}
