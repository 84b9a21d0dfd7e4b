using Offload.Profiles;

namespace Offload.Engine.Data;

/// <summary>Sets sequences aside for evaluation, chosen by seed: the same for a seed, disjoint from training, together complete.</summary>
internal static class EvalSplit
{
    /// <summary>Share of the sequences that is set aside where the user names none.</summary>
    public const double DefaultFraction = 0.05;

    private const ulong SplitPurpose = 0x73706C6974; // "split"

    /// <summary>Splits a data set in O(1) memory.</summary>
    /// <param name="all">All sequences.</param>
    /// <param name="fraction">Share for evaluation, from 0 (none) to below 1. At least one sequence where it is above 0 and there are two.</param>
    /// <param name="seed">The run's seed.</param>
    /// <returns>Views of <paramref name="all"/>; Eval is null if nothing is set aside.</returns>
    /// <exception cref="UsageException">The fraction is out of range.</exception>
    public static (ISequenceDataset Train, ISequenceDataset? Eval) Split(ISequenceDataset all, double fraction, long seed)
    {
        if (!(fraction is >= 0 and < 1))
        {
            throw new UsageException($"--eval-fraction: expected a number of at least 0 and below 1, found {fraction}");
        }

        long numEval = fraction == 0 ? 0 : Math.Min(all.NumSequences - 1, Math.Max(1, (long)Math.Round(all.NumSequences * fraction)));
        if (numEval == 0)
        {
            return (all, null);
        }

        var order = new Permutation(all.NumSequences, seed, SplitPurpose, epoch: 0);
        return (new SequenceSubset(all, order, numEval, all.NumSequences - numEval), new SequenceSubset(all, order, 0, numEval));
    }
}
