using System.Runtime.InteropServices;
using Offload.Storage.Numerics;

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
                BFloat16Convert.ToSingle(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case ElementType.F16:
                Float16Convert.ToSingle(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case ElementType.F64:
                FromDouble(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a floating-point type");
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
