namespace Offload.Storage.Tests.Numerics;

/// <summary>Bit patterns of binary32 worth trying: every exponent and sign with edge mantissas, and seeded random ones.</summary>
internal static class FloatPatterns
{
    public static float[] Edges()
    {
        uint[] mantissas =
        [
            0, 1, 2, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x1_0000, 0x1_7FFF, 0x1_8000, 0x1_8001, 0x1_FFFF,
            0x3F_8000, 0x3F_FFFF, 0x40_0000, 0x40_0001, 0x7E_8000, 0x7F_7FFF, 0x7F_8000, 0x7F_8001, 0x7F_FFFE, 0x7F_FFFF,
        ];
        return
        [
            .. from head in Enumerable.Range(0, 512)
               from mantissa in mantissas
               select BitConverter.UInt32BitsToSingle(((uint)head << 23) | mantissa),
        ];
    }

    public static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32));
        }

        return values;
    }

    public static uint Bits(float value) => BitConverter.SingleToUInt32Bits(value);
}
