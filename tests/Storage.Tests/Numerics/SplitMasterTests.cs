using Offload.Storage.Numerics;

namespace Offload.Storage.Tests.Numerics;

public sealed class SplitMasterTests
{
    private static readonly float[] Patterns = [.. FloatPatterns.Edges(), .. FloatPatterns.Random(300_007, seed: 1)];

    [Fact]
    public void SplitThenJoin_AnyPattern_GivesTheSameBitsAndOneNaN()
    {
        foreach (float master in Patterns)
        {
            (ushort high, short low) = SplitMaster.Split(master);
            uint expected = float.IsNaN(master) ? 0x7FC0_0000u : FloatPatterns.Bits(master);
            Assert.Equal(expected, FloatPatterns.Bits(SplitMaster.Join(high, low)));
        }
    }

    [Fact]
    public void Split_FinitePattern_HighIsTheNearestBFloat16WithTiesAwayFromZero()
    {
        foreach (float master in Patterns.Where(float.IsFinite))
        {
            (ushort high, short low) = SplitMaster.Split(master);

            // The two bfloat16 around the master; the one above the largest finite stands for 2^128, as in IEEE rounding.
            ushort toZero = (ushort)(FloatPatterns.Bits(master) >> 16);
            double below = Math.Abs((double)BFloat16Convert.ToSingle(toZero));
            double above = (toZero & 0x7FFF) == 0x7F7F ? Math.Pow(2, 128) : Math.Abs((double)BFloat16Convert.ToSingle((ushort)(toZero + 1)));
            double magnitude = Math.Abs((double)master);
            ushort expected = magnitude - below < above - magnitude ? toZero : (ushort)(toZero + 1);
            Assert.Equal(expected, high);
            Assert.Equal(Math.Sign(low), Math.Sign((long)FloatPatterns.Bits(master) - ((long)high << 16)));
        }
    }

    [Theory]
    [InlineData(0x3F80_8000u, 0x3F81, -32768)] // a tie goes up; to even it would be 0x3F80
    [InlineData(0x3F81_8000u, 0x3F82, -32768)]
    [InlineData(0x3F80_7FFFu, 0x3F80, 32767)]
    [InlineData(0xBF80_8000u, 0xBF81, -32768)]
    [InlineData(0x7F7F_FFFFu, 0x7F80, -1)] // rounds to infinity, joins to itself
    [InlineData(0x7F80_0000u, 0x7F80, 0)]
    [InlineData(0xFFFF_FFFFu, 0x7FC0, 0)] // would wrap if it were not made canonical
    [InlineData(0x7F80_0001u, 0x7FC0, 0)]
    public void Split_KnownPattern_GivesKnownHalves(uint bits, int high, int low)
    {
        Assert.Equal(((ushort)high, (short)low), SplitMaster.Split(BitConverter.UInt32BitsToSingle(bits)));
    }

    [Theory]
    [InlineData(SimdWidth.Scalar)]
    [InlineData(SimdWidth.Vector256)]
    [InlineData(SimdWidth.Vector512)]
    public void SplitAndJoin_OfSpans_AreTheScalarOnes(SimdWidth width)
    {
        for (int start = 0; start < 3; start++)
        {
            for (int length = 0; length < 100; length++)
            {
                Compare(Patterns.AsSpan(5_000 + start, length), width);
            }
        }

        Compare(Patterns.AsSpan(1), width);
    }

    [Fact]
    public void Split_LengthsDiffer_Throws()
    {
        Assert.Throws<ArgumentException>(() => SplitMaster.Split(new float[2], new ushort[2], new short[3]));
        Assert.Throws<ArgumentException>(() => SplitMaster.Join(new ushort[3], new short[2], new float[2]));
    }

    private static void Compare(ReadOnlySpan<float> masters, SimdWidth width)
    {
        ushort[] high = new ushort[masters.Length];
        short[] low = new short[masters.Length];
        float[] joined = new float[masters.Length];
        SplitMaster.Split(masters, high, low, width);
        SplitMaster.Join(high, low, joined, width);
        for (int i = 0; i < masters.Length; i++)
        {
            (ushort, short) expected = SplitMaster.Split(masters[i]);
            Assert.Equal(expected, (high[i], low[i]));
            Assert.Equal(FloatPatterns.Bits(SplitMaster.Join(expected.Item1, expected.Item2)), FloatPatterns.Bits(joined[i]));
        }
    }
}
