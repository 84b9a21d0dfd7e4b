namespace Offload.Storage.Devices;

/// <summary>
/// Which operations of a <see cref="FaultInjectingDevice"/> go wrong, and how. Operations count from 0 in the order of their submission;
/// where several rules hit, the first added wins. Complete it before it is given to a device; then any number of devices may read it.
/// </summary>
public sealed class FaultPlan
{
    private readonly List<Rule> _rules = [];

    /// <summary>Writes beyond so many bytes fail with ENOSPC, and all writes after the first that did; null: never.</summary>
    public long? FullAfterBytes { get; private set; }

    /// <summary>Whether any rule delays.</summary>
    internal bool HasDelays => _rules.Exists(rule => rule.Fault.Kind == FaultKind.Delay);

    /// <summary>Hits the n-th operation and, if asked, those that follow it.</summary>
    /// <param name="index">Index among the operations of the target, from 0.</param>
    /// <param name="fault">What happens to it.</param>
    /// <param name="target">Which operations count.</param>
    /// <param name="count">How many in a row are hit: <see cref="long.MaxValue"/> for a disk that never recovers.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative or the count not positive.</exception>
    public FaultPlan At(long index, Fault fault, FaultTarget target = FaultTarget.Any, long count = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentNullException.ThrowIfNull(fault);
        _rules.Add(new Rule(fault, target, index, count, Seed: 0, Rate: 0));
        return this;
    }

    /// <summary>Hits operations at random: which ones follows from the seed and their index alone. A flipped bit is at a random place.</summary>
    /// <param name="seed">Of the choice.</param>
    /// <param name="rate">Probability for each operation, 0 to 1.</param>
    /// <param name="fault">What happens to it.</param>
    /// <param name="target">Which operations may be hit.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The rate is no probability.</exception>
    public FaultPlan AtRandom(int seed, double rate, Fault fault, FaultTarget target = FaultTarget.Any)
    {
        if (rate is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(rate), rate, "expected 0 to 1");
        }

        ArgumentNullException.ThrowIfNull(fault);
        _rules.Add(new Rule(fault, target, Index: 0, Count: 0, seed, rate));
        return this;
    }

    /// <summary>A disk that is full after so many written bytes: ENOSPC for the write that goes beyond, and for every later one.</summary>
    /// <param name="sizeBytes">How many are written before.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public FaultPlan FullAfter(long sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        FullAfterBytes = sizeBytes;
        return this;
    }

    /// <summary>What happens to an operation; null: nothing.</summary>
    /// <param name="kind">What it is; not <see cref="FaultTarget.Any"/>.</param>
    /// <param name="index">Index among all operations.</param>
    /// <param name="indexOfKind">Index among those of its kind.</param>
    internal Fault? Find(FaultTarget kind, long index, long indexOfKind)
    {
        foreach (Rule rule in _rules)
        {
            if (rule.Target != FaultTarget.Any && rule.Target != kind)
            {
                continue;
            }

            long counted = rule.Target == FaultTarget.Any ? index : indexOfKind;
            if (rule.Count > 0)
            {
                if (counted >= rule.Index && counted - rule.Index < rule.Count)
                {
                    return rule.Fault;
                }
            }
            else
            {
                ulong hash = Mix(Mix((uint)rule.Seed) + (ulong)counted);
                if ((hash >> 11) * (1.0 / (1L << 53)) < rule.Rate)
                {
                    return rule.Fault.AtBit((long)(Mix(hash) >> 1));
                }
            }
        }

        return null;
    }

    /// <summary>SplitMix64's step and finaliser: a good hash of consecutive numbers.</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <param name="Fault">What happens.</param>
    /// <param name="Target">To which operations.</param>
    /// <param name="Index">First one hit.</param>
    /// <param name="Count">How many in a row; 0 for a rule by chance.</param>
    /// <param name="Seed">Of the chance.</param>
    /// <param name="Rate">The chance.</param>
    private sealed record Rule(Fault Fault, FaultTarget Target, long Index, long Count, int Seed, double Rate);
}
