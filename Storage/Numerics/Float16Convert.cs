namespace Offload.Storage.Numerics;

/// <summary>
/// IEEE binary16 (as <see cref="ushort"/> bits) to binary32, exact, and back, rounded to nearest, ties to even, beyond the range to
/// infinity. A NaN stays a NaN. Stateless: any thread. Only checkpoints in float16 pass here, at the rate of a disk, so the
/// conversion is <see cref="Half"/>'s.
/// </summary>
public static class Float16Convert
{
    /// <summary>The same number as binary32.</summary>
    public static float ToSingle(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);

    /// <summary>The nearest binary16, ties to even.</summary>
    public static ushort FromSingle(float value) => BitConverter.HalfToUInt16Bits((Half)value);

    /// <summary>Widens all of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void ToSingle(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        SpanLengths.RequireEqual(source.Length, destination.Length);
        for (int index = 0; index < source.Length; index++)
        {
            destination[index] = ToSingle(source[index]);
        }
    }

    /// <summary>Narrows all of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void FromSingle(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        SpanLengths.RequireEqual(source.Length, destination.Length);
        for (int index = 0; index < source.Length; index++)
        {
            destination[index] = FromSingle(source[index]);
        }
    }
}
