namespace Offload.Engine.Data;

/// <summary>Sequences that pass through the model together; made once and filled again by <see cref="BatchSource.Read"/>.</summary>
public sealed class MicroBatch
{
    private readonly int[] _inputIds;
    private readonly int[] _labels;

    /// <param name="maxSequences">Most sequences that it holds.</param>
    /// <param name="sequenceLength">Tokens in a sequence.</param>
    public MicroBatch(int maxSequences, int sequenceLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxSequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        MaxSequences = maxSequences;
        SequenceLength = sequenceLength;
        _inputIds = new int[checked(maxSequences * sequenceLength)];
        _labels = new int[maxSequences * sequenceLength];
    }

    /// <summary>Most sequences that it holds.</summary>
    public int MaxSequences { get; }

    /// <summary>Tokens in a sequence.</summary>
    public int SequenceLength { get; }

    /// <summary>Sequences that it holds now.</summary>
    public int NumSequences { get; internal set; }

    /// <summary>Labels that the loss counts.</summary>
    public int NumCountedLabels { get; internal set; }

    /// <summary>[NumSequences, SequenceLength], row-major.</summary>
    public Memory<int> InputIds => _inputIds.AsMemory(0, NumSequences * SequenceLength);

    /// <summary>[NumSequences, SequenceLength], row-major; already shifted, <see cref="ISequenceDataset.IgnoredLabel"/> where none counts.</summary>
    public Memory<int> Labels => _labels.AsMemory(0, NumSequences * SequenceLength);
}
