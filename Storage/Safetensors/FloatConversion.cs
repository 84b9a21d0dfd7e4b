using System.Numerics;
using System.Runtime.InteropServices;

namespace Offload.Storage.Safetensors;

/// <summary>Widens the floating-point types of files to float. Little-endian hosts; any thread.</summary>
internal static class FloatConversion
{
    /// <summary>Converts elements; a NaN stays a NaN, a double beyond float's range becomes an infinity.</summary>
    /// <param name="type">F16, BF16, F32 or F64.</param>
    /// <param name="source">The elements as in the file.</param>
    /// <param name="destination">As many floats.</param>
    internal static void ToSingle(ElementType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case ElementType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                break;
            case ElementType.BF16:
                FromBFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case ElementType.F16:
                FromHalf(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case ElementType.F64:
                FromDouble(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a floating-point type");
        }
    }

    private static void FromBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination);
        int index = 0;

        // A bfloat16 is the upper half of a float: widen to 32-bit lanes and shift.
        for (; index <= source.Length - Vector<ushort>.Count; index += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[index..]), out Vector<uint> low, out Vector<uint> high);
            (low << 16).CopyTo(bits[index..]);
            (high << 16).CopyTo(bits[(index + Vector<uint>.Count)..]);
        }

        for (; index < source.Length; index++)
        {
            bits[index] = (uint)source[index] << 16;
        }
    }

    private static void FromHalf(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination);
        int index = 0;
        for (; index <= source.Length - Vector<ushort>.Count; index += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[index..]), out Vector<uint> low, out Vector<uint> high);
            FromHalf(low).CopyTo(bits[index..]);
            FromHalf(high).CopyTo(bits[(index + Vector<uint>.Count)..]);
        }

        for (; index < source.Length; index++)
        {
            bits[index] = FromHalf(new Vector<uint>(source[index]))[0];
        }
    }

    /// <summary>
    /// Bits of the float for the bits of a half, in every lane. The exponent is re-biased by 127 - 15; a subnormal becomes normal
    /// by a subtraction, which also works where the thread flushes subnormal floats to zero.
    /// </summary>
    private static Vector<uint> FromHalf(Vector<uint> half)
    {
        const uint Rebias = (127 - 15) << 23;
        const uint ExponentOne = 1 << 23;
        Vector<uint> magnitude = half & new Vector<uint>(0x7fff);
        Vector<uint> normal = (magnitude << 13) + new Vector<uint>(Rebias);
        Vector<uint> infinityOrNaN = normal + new Vector<uint>(Rebias);
        var smallestNormal = new Vector<uint>(Rebias + ExponentOne);
        Vector<uint> subnormal = Vector.AsVectorUInt32(
            Vector.AsVectorSingle(normal + new Vector<uint>(ExponentOne)) - Vector.AsVectorSingle(smallestNormal));
        Vector<uint> result = Vector.ConditionalSelect(
            Vector.LessThan(magnitude, new Vector<uint>(0x0400)),
            subnormal,
            Vector.ConditionalSelect(Vector.GreaterThan(magnitude, new Vector<uint>(0x7bff)), infinityOrNaN, normal));
        return result | ((half & new Vector<uint>(0x8000)) << 16);
    }

    private static void FromDouble(ReadOnlySpan<double> source, Span<float> destination)
    {
        for (int index = 0; index < source.Length; index++)
        {
            destination[index] = (float)source[index];
        }
    }
}
