using Offload.Engine.Data;

namespace Offload.Engine.Profiling;

/// <summary>Sequences of random tokens: what a step takes does not depend on what they say. A function of their index. Any thread.</summary>
/// <param name="vocabularySize">Tokens there are.</param>
/// <param name="sequenceTokens">Tokens of a sequence.</param>
internal sealed class RandomSequences(int vocabularySize, int sequenceTokens) : ISequenceDataset
{
    /// <inheritdoc/>
    public long NumSequences => int.MaxValue;

    /// <inheritdoc/>
    public int SequenceLength => sequenceTokens;

    /// <inheritdoc/>
    public void Read(long sequenceIndex, Span<int> inputIds, Span<int> labels)
    {
        var random = new Random((int)sequenceIndex);
        int id = random.Next(vocabularySize);
        for (int i = 0; i < inputIds.Length; i++)
        {
            inputIds[i] = id;
            id = random.Next(vocabularySize);
            labels[i] = id;
        }
    }
}
