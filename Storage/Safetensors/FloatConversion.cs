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
                FromHalf(MemoryMarshal.Cast<byte, Half>(source), destination);
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

    private static void FromHalf(ReadOnlySpan<Half> source, Span<float> destination)
    {
        for (int index = 0; index < source.Length; index++)
        {
            destination[index] = (float)source[index];
        }
    }

    private static void FromDouble(ReadOnlySpan<double> source, Span<float> destination)
    {
        for (int index = 0; index < source.Length; index++)
        {
            destination[index] = (float)source[index];
        }
    }
}
