using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>
/// The documents of a token file, one after the other, cut into sequences of one length. The last is padded; a single token left over
/// makes none, as it would have nothing to predict. Labels are shifted: position t's is the id at t + 1 of the same sequence.
/// </summary>
internal sealed class PackedDataset : ISequenceDataset
{
    private readonly TokenStore _tokens;
    private readonly int _paddingId;

    /// <param name="tokens">The ids; stays the caller's.</param>
    /// <param name="sequenceLength">Tokens in a sequence, at least 2.</param>
    /// <param name="paddingId">Fills the last sequence; any id of the vocabulary, by custom the end of text.</param>
    /// <exception cref="UsageException">The sequence length is below 2.</exception>
    /// <exception cref="UnreadableInputException">Fewer than two tokens: nothing to predict.</exception>
    public PackedDataset(TokenStore tokens, int sequenceLength, int paddingId)
    {
        if (sequenceLength < 2)
        {
            throw new UsageException($"--seq-len: expected at least 2 tokens, found {sequenceLength}");
        }

        if (tokens.NumTokens < 2)
        {
            throw new UnreadableInputException("data", $"expected at least 2 tokens, found {tokens.NumTokens}", "give more text");
        }

        _tokens = tokens;
        _paddingId = paddingId;
        SequenceLength = sequenceLength;
        NumSequences = (tokens.NumTokens / sequenceLength) + (tokens.NumTokens % sequenceLength >= 2 ? 1 : 0);
    }

    /// <inheritdoc/>
    public long NumSequences { get; }

    /// <inheritdoc/>
    public int SequenceLength { get; }

    /// <summary>Tokens of the data, without padding.</summary>
    public long NumTokens => _tokens.NumTokens;

    /// <inheritdoc/>
    /// <exception cref="StorageException">Reading fails.</exception>
    public void Read(long sequenceIndex, Span<int> inputIds, Span<int> labels)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(inputIds.Length, SequenceLength);
        ArgumentOutOfRangeException.ThrowIfNotEqual(labels.Length, SequenceLength);
        int length = Length(sequenceIndex);
        _tokens.Read(sequenceIndex * SequenceLength, inputIds[..length]);
        inputIds[length..].Fill(_paddingId);
        inputIds[1..length].CopyTo(labels);
        labels[(length - 1)..].Fill(ISequenceDataset.IgnoredLabel);
    }

    private int Length(long sequenceIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequenceIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sequenceIndex, NumSequences);
        return (int)Math.Min(SequenceLength, NumTokens - (sequenceIndex * SequenceLength));
    }
}
