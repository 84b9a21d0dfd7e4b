namespace Offload.Engine.Data;

/// <summary>
/// The order in which training sees its sequences: every epoch is its own pseudo-random permutation of all of them. A pure function of
/// (number of sequences, seed, position), in O(1) memory, the same in every version, so that a position is all that a resume needs. Safe
/// for concurrent use.
/// </summary>
internal sealed class SequenceOrder
{
    private const ulong ShufflePurpose = 0x73687566666C65; // "shuffle"

    private readonly long _seed;
    private readonly bool _isShuffled;

    private SequenceOrder(long numSequences, long seed, bool isShuffled)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numSequences, 1);
        NumSequences = numSequences;
        _seed = seed;
        _isShuffled = isShuffled;
    }

    /// <summary>Sequences in an epoch.</summary>
    public long NumSequences { get; }

    /// <summary>Another permutation in each epoch.</summary>
    /// <param name="numSequences">At least 1.</param>
    /// <param name="seed">Any number.</param>
    public static SequenceOrder Shuffled(long numSequences, long seed) => new(numSequences, seed, isShuffled: true);

    /// <summary>As stored, in every epoch: for evaluation.</summary>
    /// <param name="numSequences">At least 1.</param>
    public static SequenceOrder AsStored(long numSequences) => new(numSequences, seed: 0, isShuffled: false);

    /// <summary>The epoch and sequence at a position.</summary>
    /// <param name="position">Sequences seen since the start of the run.</param>
    public (long Epoch, long SequenceIndex) At(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        (long epoch, long index) = Math.DivRem(position, NumSequences);
        return (epoch, _isShuffled ? new Permutation(NumSequences, _seed, ShufflePurpose, epoch)[index] : index);
    }
}
