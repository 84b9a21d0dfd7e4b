using System.Numerics;
using Offload.Engine.Models;

namespace Offload.Engine.Cuda;

/// <summary>What the addresses of a product's matrices are multiples of, in bytes: powers of two, at most <see cref="GemmPlan.MaxAlignmentBytes"/>.</summary>
/// <param name="Right">cublasLt's A.</param>
/// <param name="Left">cublasLt's B.</param>
/// <param name="Added">cublasLt's C.</param>
/// <param name="Destination">cublasLt's D, and the bias: both are accessed alike.</param>
internal readonly record struct GemmAlignments(byte Right, byte Left, byte Added, byte Destination)
{
    internal const int NumMatrices = 4;

    /// <summary>By cublasLt's order: A, B, C, D.</summary>
    public int this[int matrix] => matrix switch
    {
        0 => Right,
        1 => Left,
        2 => Added,
        _ => Destination,
    };

    /// <summary>Of addresses; those that are null bind nothing.</summary>
    public static unsafe GemmAlignments Of(void* left, void* right, void* destination, void* bias, void* addend)
    {
        byte ofDestination = Of((ulong)destination);
        return new GemmAlignments(Of((ulong)right), Of((ulong)left), addend is null ? ofDestination : Of((ulong)addend), Math.Min(ofDestination, Of((ulong)bias)));
    }

    /// <summary>Of the beginning of every element.</summary>
    public static GemmAlignments OfElements(in GemmShape shape)
    {
        var operand = (byte)ElementBytes(shape.Type);
        var result = (byte)(shape.IntoFloat32 ? sizeof(float) : operand);
        return new GemmAlignments(operand, operand, result, result);
    }

    /// <summary>Of the beginning of every row.</summary>
    public GemmAlignments OfRows(in GemmShape shape)
    {
        int operandBytes = ElementBytes(shape.Type);
        long resultRow = (long)shape.N * (shape.IntoFloat32 ? sizeof(float) : operandBytes);
        return new GemmAlignments(
            Math.Min(Right, Of((ulong)operandBytes * (ulong)(shape.TransposeRight ? shape.K : shape.N))),
            Math.Min(Left, Of((ulong)operandBytes * (ulong)(shape.TransposeLeft ? shape.M : shape.K))),
            Math.Min(Added, Of((ulong)resultRow)),
            Math.Min(Destination, Of((ulong)resultRow)));
    }

    private static byte Of(ulong address) => (byte)Math.Min(GemmPlan.MaxAlignmentBytes, 1UL << Math.Min(BitOperations.TrailingZeroCount(address), 8));

    private static int ElementBytes(ComputeType type) => type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort);
}
