using System.Numerics;
using System.Runtime.InteropServices;

namespace Offload.Storage.Numerics;

/// <summary>IEEE binary16 (as <see cref="ushort"/> bits) to binary32, exact; a NaN stays a NaN. Stateless: any thread.</summary>
internal static class Float16Convert
{
    /// <summary>Widens all of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    internal static void ToSingle(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        SpanLengths.RequireEqual(source.Length, destination.Length);
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination);
        int index = 0;
        for (; index <= source.Length - Vector<ushort>.Count; index += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[index..]), out Vector<uint> low, out Vector<uint> high);
            Widen(low).CopyTo(bits[index..]);
            Widen(high).CopyTo(bits[(index + Vector<uint>.Count)..]);
        }

        for (; index < source.Length; index++)
        {
            bits[index] = Widen(new Vector<uint>(source[index]))[0];
        }
    }

    /// <summary>
    /// Bits of the float for the bits of a half, in every lane. The exponent is re-biased by 127 - 15; a subnormal becomes normal
    /// by a subtraction, which also works where the thread flushes subnormal floats to zero.
    /// </summary>
    private static Vector<uint> Widen(Vector<uint> half)
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
}
