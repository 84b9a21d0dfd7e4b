using System.Runtime.InteropServices;
using Offload.Storage.Numerics;

namespace Offload.Acceptance;

/// <summary>
/// Every float32 pattern split and joined: the join gives the pattern back (every NaN as 0x7FC00000), the high half is the nearest
/// bfloat16 with ties away from zero, and all vector widths give the bits of the scalar code.
/// </summary>
internal static class SplitMasterSweep
{
    private const int ChunkPatterns = 1 << 20;
    private const int NumChunks = 1 << 12;

    public static bool Run(TextWriter output)
    {
        long numWrong = 0;
        long numPatterns = 0;
        var gate = new Lock();
        Parallel.For(0, NumChunks, () => new Buffers(), (chunk, _, buffers) =>
        {
            buffers.Check((uint)chunk * ChunkPatterns);
            return buffers;
        }, buffers =>
        {
            lock (gate)
            {
                numWrong += buffers.NumWrong;
                numPatterns += buffers.NumPatterns;
                if (buffers.FirstWrong is { } wrong)
                {
                    output.WriteLine(wrong);
                }
            }
        });
        output.WriteLine($"{numPatterns} patterns, {numWrong} wrong; widest vectors in hardware: {SimdSupport.Widest}");
        return numWrong == 0 && numPatterns == 1L << 32;
    }

    private sealed class Buffers
    {
        private readonly uint[] _patterns = new uint[ChunkPatterns];
        private readonly ushort[] _scalarHigh = new ushort[ChunkPatterns];
        private readonly short[] _scalarLow = new short[ChunkPatterns];
        private readonly uint[] _joined = new uint[ChunkPatterns];
        private readonly ushort[] _high = new ushort[ChunkPatterns];
        private readonly short[] _low = new short[ChunkPatterns];

        public long NumWrong { get; private set; }

        public long NumPatterns { get; private set; }

        public string? FirstWrong { get; private set; }

        public void Check(uint first)
        {
            for (int i = 0; i < ChunkPatterns; i++)
            {
                _patterns[i] = first + (uint)i;
            }

            ReadOnlySpan<float> masters = MemoryMarshal.Cast<uint, float>(_patterns.AsSpan());
            SplitMaster.Split(masters, _scalarHigh, _scalarLow, SimdWidth.Scalar);
            for (int i = 0; i < ChunkPatterns; i++)
            {
                CheckOne(_patterns[i], _scalarHigh[i], _scalarLow[i]);
            }

            foreach (SimdWidth width in Enum.GetValues<SimdWidth>())
            {
                SplitMaster.Split(masters, _high, _low, width);
                SplitMaster.Join(_high, _low, MemoryMarshal.Cast<uint, float>(_joined.AsSpan()), width);
                for (int i = 0; i < ChunkPatterns; i++)
                {
                    if (_high[i] != _scalarHigh[i] || _low[i] != _scalarLow[i] || _joined[i] != Canonical(_patterns[i]))
                    {
                        Report(_patterns[i], $"{width}: halves {_high[i]:X4} {_low[i]}, scalar {_scalarHigh[i]:X4} {_scalarLow[i]}, joined {_joined[i]:X8}");
                    }
                }
            }

            NumPatterns += ChunkPatterns;
        }

        private static uint Canonical(uint pattern) => (pattern & 0x7FFF_FFFF) > 0x7F80_0000 ? SplitMaster.CanonicalNaNBits : pattern;

        private void CheckOne(uint pattern, ushort high, short low)
        {
            uint expected = Canonical(pattern);

            // Distances in bit patterns are distances in magnitude within one step of bfloat16: the nearest is at most half a step away,
            // and a tie has gone up.
            long distance = (long)expected - ((long)high << 16);
            if (distance is < -0x8000 or >= 0x8000 || low != distance)
            {
                Report(pattern, $"scalar halves {high:X4} {low} are not the nearest bfloat16 and the rest");
            }
        }

        private void Report(uint pattern, string problem)
        {
            NumWrong++;
            FirstWrong ??= $"pattern {pattern:X8}: {problem}";
        }
    }
}
