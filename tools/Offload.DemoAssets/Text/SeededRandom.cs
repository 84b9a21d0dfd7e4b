namespace Offload.DemoAssets.Text;

/// <summary>
/// A small seeded generator whose numbers are the same on every platform and .NET version, which <see cref="Random"/> does not
/// promise. The steps are SplitMix64's (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Not thread-safe.
/// </summary>
internal sealed class SeededRandom
{
    private ulong _state;

    /// <summary>Starts the stream <paramref name="stream"/> of a seed: streams of one seed are independent of each other.</summary>
    public SeededRandom(ulong seed, ulong stream)
    {
        _state = seed;
        _state = NextBits() ^ stream;
        _state = NextBits();
    }

    /// <summary>A number from 0 up to, not including, <paramref name="count"/>.</summary>
    public int Next(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return (int)Math.BigMul(NextBits(), (ulong)count, out _);
    }

    private ulong NextBits()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong mixed = _state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
}
