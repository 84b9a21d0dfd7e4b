using Offload.Storage.Numerics;

namespace Offload.Storage.Tests.Numerics;

public sealed class Float16ConvertTests
{
    [Fact]
    public void ToSingle_EveryPattern_IsTheNumberTheFormatDefines()
    {
        ushort[] bits = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];
        float[] values = new float[bits.Length];
        Float16Convert.ToSingle(bits, values);
        for (int i = 0; i < bits.Length; i++)
        {
            int exponent = (i >> 10) & 31;
            int mantissa = i & 1023;
            double magnitude = exponent switch
            {
                0 => mantissa * Math.Pow(2, -24),
                31 => mantissa == 0 ? double.PositiveInfinity : double.NaN,
                _ => (1024 + mantissa) * Math.Pow(2, exponent - 25),
            };
            Assert.Equal((float)((i & 0x8000) == 0 ? magnitude : -magnitude), values[i]);
        }
    }

    [Fact]
    public void FromSingle_OfEveryNumber_IsTheSamePattern()
    {
        ushort[] bits = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];
        float[] values = new float[bits.Length];
        ushort[] back = new ushort[bits.Length];
        Float16Convert.ToSingle(bits, values);
        Float16Convert.FromSingle(values, back);
        for (int i = 0; i < bits.Length; i++)
        {
            if (float.IsNaN(values[i]))
            {
                Assert.True(Half.IsNaN(BitConverter.UInt16BitsToHalf(back[i])));
            }
            else
            {
                Assert.Equal(bits[i], back[i]);
            }
        }
    }

    [Theory]
    [InlineData(1.00048828125f, 0x3C00)] // halfway between 1 and its successor: to even
    [InlineData(1.00146484375f, 0x3C02)] // halfway, odd below: up
    [InlineData(65519.996f, 0x7BFF)]
    [InlineData(65520f, 0x7C00)]
    [InlineData(-1e-8f, 0x8000)]
    public void FromSingle_BetweenNumbers_RoundsToNearestEven(float value, int expected)
    {
        Assert.Equal((ushort)expected, Float16Convert.FromSingle(value));
    }

    [Fact]
    public void Convert_LengthsDiffer_Throws()
    {
        Assert.Throws<ArgumentException>(() => Float16Convert.FromSingle(new float[2], new ushort[3]));
        Assert.Throws<ArgumentException>(() => Float16Convert.ToSingle(new ushort[3], new float[2]));
    }
}
