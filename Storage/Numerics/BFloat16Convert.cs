using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Offload.Storage.Numerics;

/// <summary>
/// binary32 to bfloat16 (as <see cref="ushort"/> bits) and back. Narrowing rounds to nearest, ties to even, as PyTorch does; every
/// NaN becomes 0x7FC0; subnormals are kept. Widening is exact. Stateless: any thread. The AVX-512 instruction for it is not used:
/// it flushes subnormals.
/// </summary>
public static class BFloat16Convert
{
    /// <summary>The one NaN that narrowing gives.</summary>
    public const ushort CanonicalNaN = 0x7FC0;

    /// <summary>The nearest bfloat16, ties to even.</summary>
    public static ushort FromSingle(float value)
    {
        if (float.IsNaN(value))
        {
            return CanonicalNaN;
        }

        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
    }

    /// <summary>The same number as binary32.</summary>
    public static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Narrows two vectors to one: <paramref name="lower"/> gives its first half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Narrow(Vector512<float> lower, Vector512<float> upper) =>
        Vector512.Narrow(Round(lower), Round(upper));

    /// <inheritdoc cref="Narrow(Vector512{float}, Vector512{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Narrow(Vector256<float> lower, Vector256<float> upper) =>
        Vector256.Narrow(Round(lower), Round(upper));

    /// <summary>Widens one vector to two, exactly.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Lower, Vector512<float> Upper) Widen(Vector512<ushort> bits) =>
        ((Vector512.WidenLower(bits) << 16).AsSingle(), (Vector512.WidenUpper(bits) << 16).AsSingle());

    /// <inheritdoc cref="Widen(Vector512{ushort})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> Lower, Vector256<float> Upper) Widen(Vector256<ushort> bits) =>
        ((Vector256.WidenLower(bits) << 16).AsSingle(), (Vector256.WidenUpper(bits) << 16).AsSingle());

    /// <summary>Narrows all of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void FromSingle(ReadOnlySpan<float> source, Span<ushort> destination) =>
        FromSingle(source, destination, SimdSupport.Widest);

    /// <summary>Widens all of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void ToSingle(ReadOnlySpan<ushort> source, Span<float> destination) =>
        ToSingle(source, destination, SimdSupport.Widest);

    internal static void FromSingle(ReadOnlySpan<float> source, Span<ushort> destination, SimdWidth width)
    {
        SpanLengths.RequireEqual(source.Length, destination.Length);
        ref float from = ref MemoryMarshal.GetReference(source);
        ref ushort to = ref MemoryMarshal.GetReference(destination);
        int index = 0;
        if (width == SimdWidth.Vector512)
        {
            for (; index <= source.Length - 32; index += 32)
            {
                ref float here = ref Unsafe.Add(ref from, index);
                Narrow(Vector512.LoadUnsafe(ref here), Vector512.LoadUnsafe(ref here, 16)).StoreUnsafe(ref Unsafe.Add(ref to, index));
            }
        }
        else if (width == SimdWidth.Vector256)
        {
            for (; index <= source.Length - 16; index += 16)
            {
                ref float here = ref Unsafe.Add(ref from, index);
                Narrow(Vector256.LoadUnsafe(ref here), Vector256.LoadUnsafe(ref here, 8)).StoreUnsafe(ref Unsafe.Add(ref to, index));
            }
        }

        for (; index < source.Length; index++)
        {
            destination[index] = FromSingle(source[index]);
        }
    }

    internal static void ToSingle(ReadOnlySpan<ushort> source, Span<float> destination, SimdWidth width)
    {
        SpanLengths.RequireEqual(source.Length, destination.Length);
        ref ushort from = ref MemoryMarshal.GetReference(source);
        ref float to = ref MemoryMarshal.GetReference(destination);
        int index = 0;
        if (width == SimdWidth.Vector512)
        {
            for (; index <= source.Length - 32; index += 32)
            {
                (Vector512<float> lower, Vector512<float> upper) = Widen(Vector512.LoadUnsafe(ref Unsafe.Add(ref from, index)));
                lower.StoreUnsafe(ref Unsafe.Add(ref to, index));
                upper.StoreUnsafe(ref Unsafe.Add(ref to, index + 16));
            }
        }
        else if (width == SimdWidth.Vector256)
        {
            for (; index <= source.Length - 16; index += 16)
            {
                (Vector256<float> lower, Vector256<float> upper) = Widen(Vector256.LoadUnsafe(ref Unsafe.Add(ref from, index)));
                lower.StoreUnsafe(ref Unsafe.Add(ref to, index));
                upper.StoreUnsafe(ref Unsafe.Add(ref to, index + 8));
            }
        }

        for (; index < source.Length; index++)
        {
            destination[index] = ToSingle(source[index]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Round(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> even = (bits >> 16) & Vector512<uint>.One;
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + even) >> 16;
        return Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, Vector512.Create((uint)CanonicalNaN));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Round(Vector256<float> value)
    {
        Vector256<uint> bits = value.AsUInt32();
        Vector256<uint> even = (bits >> 16) & Vector256<uint>.One;
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + even) >> 16;
        return Vector256.ConditionalSelect(Vector256.Equals(value, value).AsUInt32(), rounded, Vector256.Create((uint)CanonicalNaN));
    }
}
