using System.Numerics;

namespace Offload.Engine.Data;

/// <summary>
/// A pseudo-random permutation of [0, count) in O(1) memory: a balanced Feistel network on the smallest even number of bits that holds
/// count, walked along its cycle until it lands below count (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002);
/// fewer than four steps on average. The round function is SplitMix64's finaliser (Steele, Lea and Flood, 2014). The values are part of
/// every stored run: they must never change.
/// </summary>
internal readonly struct Permutation
{
    // Four are a pseudo-random permutation for large domains; tiny ones need more to look uniform, and they cost nanoseconds.
    private const int NumRounds = 10;
    private const ulong Golden = 0x9E3779B97F4A7C15; // 2^64 / golden ratio, SplitMix64's increment

    private readonly ulong _count;
    private readonly ulong _key;
    private readonly int _halfBits;

    /// <param name="count">Size of the domain, at least 1.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">Separates permutations of one seed that serve different purposes.</param>
    /// <param name="epoch">Separates the epochs.</param>
    public Permutation(long count, long seed, ulong purpose, long epoch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _count = (ulong)count;
        _key = SplitMix64(SplitMix64(SplitMix64((ulong)seed) ^ purpose) ^ (ulong)epoch);
        int bits = 64 - BitOperations.LeadingZeroCount(_count - 1);
        _halfBits = Math.Max(1, (bits + 1) / 2);
    }

    /// <summary>The image of an index.</summary>
    public long this[long index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, _count, nameof(index));
            ulong value = (ulong)index;
            do
            {
                value = Encrypt(value);
            }
            while (value >= _count);
            return (long)value;
        }
    }

    /// <summary>SplitMix64's output for the state before <paramref name="state"/> + increment.</summary>
    internal static ulong SplitMix64(ulong state)
    {
        ulong value = state + Golden;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private ulong Encrypt(ulong value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = value >> _halfBits;
        ulong right = value & mask;
        for (ulong round = 0; round < NumRounds; round++)
        {
            (left, right) = (right, left ^ (SplitMix64(SplitMix64(_key + round) ^ right) & mask));
        }

        return (left << _halfBits) | right;
    }
}
