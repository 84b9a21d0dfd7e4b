using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Offload.Storage.Numerics;

/// <summary>
/// A binary32 master weight kept as the bfloat16 weight itself and what is left: bits = (high &lt;&lt; 16) + low, with high the
/// master rounded to nearest, a tie going up in magnitude, and low a signed 16-bit number. Lossless for every pattern but the NaNs, which
/// become 0x7FC00000 first (adding the rounding half to a NaN's payload could wrap). Stateless: any thread.
/// </summary>
/// <remarks>
/// Why ties go up and not to even: low = bits - (high &lt;&lt; 16) is then always in [-32768, 32767]; rounding a tie down to even would
/// need +32768. Masters above the largest bfloat16 have the high half infinity and a negative low half, and join to themselves.
/// </remarks>
public static class SplitMaster
{
    /// <summary>Bits of the one NaN a master can be.</summary>
    public const uint CanonicalNaNBits = 0x7FC0_0000;

    private const uint RoundingHalf = 0x8000;

    /// <summary>Splits one master.</summary>
    /// <returns>High: the bfloat16 weight's bits; Low: the rest.</returns>
    public static (ushort High, short Low) Split(float master)
    {
        uint bits = float.IsNaN(master) ? CanonicalNaNBits : BitConverter.SingleToUInt32Bits(master);
        return ((ushort)((bits + RoundingHalf) >> 16), unchecked((short)bits));
    }

    /// <summary>Joins what <see cref="Split(float)"/> parted.</summary>
    public static float Join(ushort high, short low) => BitConverter.Int32BitsToSingle(unchecked(((int)high << 16) + low));

    /// <summary>Splits two vectors of masters into one of each half; for kernels that fuse it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<ushort> High, Vector512<short> Low) Split(Vector512<float> lower, Vector512<float> upper)
    {
        Vector512<uint> lowerBits = Canonical(lower);
        Vector512<uint> upperBits = Canonical(upper);
        Vector512<uint> half = Vector512.Create(RoundingHalf);
        return (
            Vector512.Narrow((lowerBits + half) >> 16, (upperBits + half) >> 16),
            Vector512.Narrow(lowerBits, upperBits).AsInt16());
    }

    /// <inheritdoc cref="Split(Vector512{float}, Vector512{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<ushort> High, Vector256<short> Low) Split(Vector256<float> lower, Vector256<float> upper)
    {
        Vector256<uint> lowerBits = Canonical(lower);
        Vector256<uint> upperBits = Canonical(upper);
        Vector256<uint> half = Vector256.Create(RoundingHalf);
        return (
            Vector256.Narrow((lowerBits + half) >> 16, (upperBits + half) >> 16),
            Vector256.Narrow(lowerBits, upperBits).AsInt16());
    }

    /// <summary>Joins one vector of each half into two of masters; for kernels that fuse it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Lower, Vector512<float> Upper) Join(Vector512<ushort> high, Vector512<short> low) =>
        (((Vector512.WidenLower(high) << 16) + Vector512.WidenLower(low).AsUInt32()).AsSingle(),
         ((Vector512.WidenUpper(high) << 16) + Vector512.WidenUpper(low).AsUInt32()).AsSingle());

    /// <inheritdoc cref="Join(Vector512{ushort}, Vector512{short})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> Lower, Vector256<float> Upper) Join(Vector256<ushort> high, Vector256<short> low) =>
        (((Vector256.WidenLower(high) << 16) + Vector256.WidenLower(low).AsUInt32()).AsSingle(),
         ((Vector256.WidenUpper(high) << 16) + Vector256.WidenUpper(low).AsUInt32()).AsSingle());

    /// <summary>Splits all of <paramref name="master"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Split(ReadOnlySpan<float> master, Span<ushort> high, Span<short> low) =>
        Split(master, high, low, SimdSupport.Widest);

    /// <summary>Joins all of <paramref name="high"/> and <paramref name="low"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Join(ReadOnlySpan<ushort> high, ReadOnlySpan<short> low, Span<float> master) =>
        Join(high, low, master, SimdSupport.Widest);

    internal static void Split(ReadOnlySpan<float> master, Span<ushort> high, Span<short> low, SimdWidth width)
    {
        SpanLengths.RequireEqual(master.Length, high.Length);
        SpanLengths.RequireEqual(master.Length, low.Length);
        ref float from = ref MemoryMarshal.GetReference(master);
        ref ushort toHigh = ref MemoryMarshal.GetReference(high);
        ref short toLow = ref MemoryMarshal.GetReference(low);
        int index = 0;
        if (width == SimdWidth.Vector512)
        {
            for (; index <= master.Length - 32; index += 32)
            {
                ref float here = ref Unsafe.Add(ref from, index);
                (Vector512<ushort> highs, Vector512<short> lows) = Split(Vector512.LoadUnsafe(ref here), Vector512.LoadUnsafe(ref here, 16));
                highs.StoreUnsafe(ref Unsafe.Add(ref toHigh, index));
                lows.StoreUnsafe(ref Unsafe.Add(ref toLow, index));
            }
        }
        else if (width == SimdWidth.Vector256)
        {
            for (; index <= master.Length - 16; index += 16)
            {
                ref float here = ref Unsafe.Add(ref from, index);
                (Vector256<ushort> highs, Vector256<short> lows) = Split(Vector256.LoadUnsafe(ref here), Vector256.LoadUnsafe(ref here, 8));
                highs.StoreUnsafe(ref Unsafe.Add(ref toHigh, index));
                lows.StoreUnsafe(ref Unsafe.Add(ref toLow, index));
            }
        }

        for (; index < master.Length; index++)
        {
            (high[index], low[index]) = Split(master[index]);
        }
    }

    internal static void Join(ReadOnlySpan<ushort> high, ReadOnlySpan<short> low, Span<float> master, SimdWidth width)
    {
        SpanLengths.RequireEqual(master.Length, high.Length);
        SpanLengths.RequireEqual(master.Length, low.Length);
        ref ushort fromHigh = ref MemoryMarshal.GetReference(high);
        ref short fromLow = ref MemoryMarshal.GetReference(low);
        ref float to = ref MemoryMarshal.GetReference(master);
        int index = 0;
        if (width == SimdWidth.Vector512)
        {
            for (; index <= master.Length - 32; index += 32)
            {
                (Vector512<float> lower, Vector512<float> upper) = Join(
                    Vector512.LoadUnsafe(ref Unsafe.Add(ref fromHigh, index)), Vector512.LoadUnsafe(ref Unsafe.Add(ref fromLow, index)));
                lower.StoreUnsafe(ref Unsafe.Add(ref to, index));
                upper.StoreUnsafe(ref Unsafe.Add(ref to, index + 16));
            }
        }
        else if (width == SimdWidth.Vector256)
        {
            for (; index <= master.Length - 16; index += 16)
            {
                (Vector256<float> lower, Vector256<float> upper) = Join(
                    Vector256.LoadUnsafe(ref Unsafe.Add(ref fromHigh, index)), Vector256.LoadUnsafe(ref Unsafe.Add(ref fromLow, index)));
                lower.StoreUnsafe(ref Unsafe.Add(ref to, index));
                upper.StoreUnsafe(ref Unsafe.Add(ref to, index + 8));
            }
        }

        for (; index < master.Length; index++)
        {
            master[index] = Join(high[index], low[index]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Canonical(Vector512<float> value) => Vector512.ConditionalSelect(
        Vector512.Equals(value, value).AsUInt32(), value.AsUInt32(), Vector512.Create(CanonicalNaNBits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Canonical(Vector256<float> value) => Vector256.ConditionalSelect(
        Vector256.Equals(value, value).AsUInt32(), value.AsUInt32(), Vector256.Create(CanonicalNaNBits));
}
