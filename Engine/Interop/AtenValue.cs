using static TorchSharp.torch;

namespace Offload.Engine.Interop;

/// <summary>One argument of an ATen operator, in the encoding of the stable C ABI: a tensor handle or a 64-bit word.</summary>
internal readonly struct AtenValue
{
    private AtenValue(bool isTensor, ulong word)
    {
        IsTensor = isTensor;
        Word = word;
    }

    /// <summary>An optional argument that is left out.</summary>
    public static AtenValue None => new(isTensor: false, 0);

    public bool IsTensor { get; }

    /// <summary>The handle of a tensor, the bits of a double, or an integer.</summary>
    public ulong Word { get; }

    public static implicit operator AtenValue(Tensor tensor) => new(isTensor: true, (ulong)tensor.Handle);

    public static implicit operator AtenValue(long value) => new(isTensor: false, (ulong)value);

    public static implicit operator AtenValue(bool value) => new(isTensor: false, value ? 1UL : 0UL);

    public static implicit operator AtenValue(double value) => new(isTensor: false, BitConverter.DoubleToUInt64Bits(value));
}
