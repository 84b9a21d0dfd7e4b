using System.Runtime.InteropServices;

namespace Offload.Storage.Benchmarks;

/// <summary>Bytes that nothing can compress.</summary>
internal static class RandomBytes
{
    /// <summary>Fills with random bytes; the same ones for the same seed.</summary>
    public static void Fill(Span<byte> bytes, int seed)
    {
        // SplitMix64: passes the tests of randomness, and makes several GB a second.
        ulong state = (ulong)seed << 40;
        foreach (ref ulong word in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            state += 0x9E3779B97F4A7C15;
            ulong mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
            word = mixed ^ (mixed >> 31);
        }
    }
}
