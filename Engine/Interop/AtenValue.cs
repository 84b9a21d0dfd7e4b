using static TorchSharp.torch;

namespace Offload.Engine.Interop;

/// <summary>One argument of an ATen operator, in the encoding of the stable C ABI: a tensor handle or a 64-bit word.</summary>
internal readonly struct AtenValue
{
    private AtenValue(Tensor? tensor, ulong word)
    {
        Tensor = tensor;
        Word = word;
    }

    /// <summary>An optional argument that is left out.</summary>
    public static AtenValue None => default;

    /// <summary>The tensor, borrowed; null: <see cref="Word"/> counts.</summary>
    public Tensor? Tensor { get; }

    /// <summary>The bits of a double, or an integer.</summary>
    public ulong Word { get; }

    public static implicit operator AtenValue(Tensor tensor) => new(tensor, 0);

    public static implicit operator AtenValue(long value) => new(tensor: null, (ulong)value);

    public static implicit operator AtenValue(bool value) => new(tensor: null, value ? 1UL : 0UL);

    public static implicit operator AtenValue(double value) => new(tensor: null, BitConverter.DoubleToUInt64Bits(value));
}
