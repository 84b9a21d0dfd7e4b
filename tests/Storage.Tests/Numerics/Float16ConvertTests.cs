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
    public void ToSingle_LengthsDiffer_Throws()
    {
        Assert.Throws<ArgumentException>(() => Float16Convert.ToSingle(new ushort[3], new float[2]));
    }
}
