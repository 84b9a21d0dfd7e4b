namespace Offload.Engine.Data;

/// <summary>Token sequences of one length, read by index. Safe for concurrent use.</summary>
internal interface ISequenceDataset
{
    /// <summary>Label of a position that the loss does not count.</summary>
    const int IgnoredLabel = -100;

    /// <summary>Number of sequences.</summary>
    long NumSequences { get; }

    /// <summary>Tokens in each sequence, padding included.</summary>
    int SequenceLength { get; }

    /// <summary>Reads a sequence.</summary>
    /// <param name="sequenceIndex">From 0 to <see cref="NumSequences"/> - 1.</param>
    /// <param name="inputIds">[SequenceLength]; receives the ids.</param>
    /// <param name="labels">[SequenceLength]; receives the id to predict at each position, or <see cref="IgnoredLabel"/>.</param>
    void Read(long sequenceIndex, Span<int> inputIds, Span<int> labels);
}
