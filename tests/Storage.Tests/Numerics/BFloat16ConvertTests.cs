using Offload.Storage.Numerics;

namespace Offload.Storage.Tests.Numerics;

public sealed class BFloat16ConvertTests
{
    private static readonly float[] Patterns = [.. FloatPatterns.Edges(), .. FloatPatterns.Random(100_003, seed: 2)];

    [Fact]
    public void FromSingle_FinitePattern_IsTheNearestWithTiesToEven()
    {
        foreach (float value in Patterns.Where(float.IsFinite))
        {
            ushort toZero = (ushort)(FloatPatterns.Bits(value) >> 16);
            double below = Math.Abs((double)BFloat16Convert.ToSingle(toZero));
            double above = (toZero & 0x7FFF) == 0x7F7F ? Math.Pow(2, 128) : Math.Abs((double)BFloat16Convert.ToSingle((ushort)(toZero + 1)));
            double magnitude = Math.Abs((double)value);
            bool up = magnitude - below > above - magnitude || (magnitude - below == above - magnitude && (toZero & 1) == 1);
            Assert.Equal((ushort)(toZero + (up ? 1 : 0)), BFloat16Convert.FromSingle(value));
        }
    }

    [Fact]
    public void FromSingle_NaNOrInfinity_StaysSo()
    {
        foreach (float value in Patterns.Where(float.IsNaN))
        {
            Assert.Equal(0x7FC0, BFloat16Convert.FromSingle(value));
        }

        Assert.Equal(0x7F80, BFloat16Convert.FromSingle(float.PositiveInfinity));
        Assert.Equal(0xFF80, BFloat16Convert.FromSingle(float.NegativeInfinity));
    }

    [Fact]
    public void ToSingle_ThenFromSingle_IsTheIdentityOnAllNumbers()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float value = BFloat16Convert.ToSingle((ushort)bits);
            Assert.Equal(float.IsNaN(value) ? 0x7FC0 : bits, BFloat16Convert.FromSingle(value));
        }
    }

    [Theory]
    [InlineData(SimdWidth.Scalar)]
    [InlineData(SimdWidth.Vector256)]
    [InlineData(SimdWidth.Vector512)]
    public void Spans_AnyLengthAndStart_AreTheScalarOnes(SimdWidth width)
    {
        for (int start = 0; start < 3; start++)
        {
            for (int length = 0; length < 100; length++)
            {
                Compare(Patterns.AsSpan(7_000 + start, length), width);
            }
        }

        Compare(Patterns.AsSpan(1), width);
    }

    [Fact]
    public void FromSingle_LengthsDiffer_Throws()
    {
        Assert.Throws<ArgumentException>(() => BFloat16Convert.FromSingle(new float[2], new ushort[3]));
        Assert.Throws<ArgumentException>(() => BFloat16Convert.ToSingle(new ushort[3], new float[2]));
    }

    private static void Compare(ReadOnlySpan<float> values, SimdWidth width)
    {
        ushort[] narrow = new ushort[values.Length];
        float[] wide = new float[values.Length];
        BFloat16Convert.FromSingle(values, narrow, width);
        BFloat16Convert.ToSingle(narrow, wide, width);
        for (int i = 0; i < values.Length; i++)
        {
            Assert.Equal(BFloat16Convert.FromSingle(values[i]), narrow[i]);
            Assert.Equal((uint)narrow[i] << 16, FloatPatterns.Bits(wide[i]));
        }
    }
}
