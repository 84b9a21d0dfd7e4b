using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>Micro-batches of a data set in an order: each a pure function of its position. Safe for concurrent use.</summary>
public sealed class BatchSource
{
    private readonly ISequenceDataset _dataset;
    private readonly SequenceOrder _order;

    /// <param name="dataset">The sequences; stay the caller's.</param>
    /// <param name="order">An order of as many.</param>
    /// <param name="microBatchSize">Sequences in a micro-batch.</param>
    public BatchSource(ISequenceDataset dataset, SequenceOrder order, int microBatchSize)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(order.NumSequences, dataset.NumSequences);
        ArgumentOutOfRangeException.ThrowIfLessThan(microBatchSize, 1);
        _dataset = dataset;
        _order = order;
        MicroBatchSize = microBatchSize;
    }

    /// <summary>Sequences in a micro-batch.</summary>
    public int MicroBatchSize { get; }

    /// <summary>Sequences in an epoch.</summary>
    public long NumSequences => _dataset.NumSequences;

    /// <summary>A micro-batch to read into.</summary>
    public MicroBatch CreateBatch() => new(MicroBatchSize, _dataset.SequenceLength);

    /// <summary>Labels that count in the sequences from a position on, without reading them: a step's loss is divided by it.</summary>
    /// <param name="position">Sequences seen since the start of the run.</param>
    /// <param name="numSequences">Sequences to count.</param>
    public long CountLabels(long position, long numSequences)
    {
        long count = 0;
        for (long index = 0; index < numSequences; index++)
        {
            count += _dataset.CountLabels(_order.At(position + index).SequenceIndex);
        }

        return count;
    }

    /// <summary>Reads the micro-batch at a position; it may reach into the next epoch.</summary>
    /// <param name="position">Sequences seen since the start of the run; the next micro-batch is at position + NumSequences.</param>
    /// <param name="batch">Receives it; made by <see cref="CreateBatch"/>.</param>
    /// <param name="numSequences">Sequences to read, fewer at the end of an evaluation; null: <see cref="MicroBatchSize"/>.</param>
    /// <exception cref="StorageException">Reading fails.</exception>
    public void Read(long position, MicroBatch batch, int? numSequences = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(batch.SequenceLength, _dataset.SequenceLength);
        int count = numSequences ?? MicroBatchSize;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(numSequences));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, batch.MaxSequences, nameof(numSequences));
        batch.NumSequences = count;
        batch.NumCountedLabels = 0;
        int length = batch.SequenceLength;
        for (int row = 0; row < count; row++)
        {
            long sequenceIndex = _order.At(position + row).SequenceIndex;
            _dataset.Read(sequenceIndex, batch.InputIds.Span.Slice(row * length, length), batch.Labels.Span.Slice(row * length, length));
            batch.NumCountedLabels += _dataset.CountLabels(sequenceIndex);
        }
    }
}
