using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Tests.Compute;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Kernels;

public sealed class RotaryKernelTests
{
    private static readonly RopeConfig Rope = new(RopeKind.Default, Theta: 10_000);

    [Theory]
    [InlineData(1, 1, 1, 2)]
    [InlineData(2, 3, 1, 6)]
    [InlineData(1, 5, 3, 10)]
    [InlineData(3, 4, 2, 16)]
    [InlineData(2, 33, 5, 18)]
    [InlineData(2, 200, 6, 64)]
    public void Rotate_RandomHeads_AgreesWithTheFormulaAndLeavesTheRest(int sequences, int tokens, int numHeads, int headSize)
    {
        const int numOtherHeads = 2;
        var shape = new BatchShape(sequences, tokens);
        var tables = new RotaryTables(Rope, headSize, tokens + 3);
        foreach (ScalarType type in Tensors.ComputeTypes)
        {
            foreach (bool inverse in (bool[])[false, true])
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor packed = Tensors.Normal(new Random(headSize), type, shape.Rows, (numHeads + numOtherHeads) * headSize);
                Tensor expected = packed.clone();
                RotaryReference.Rotate(expected.view(sequences, tokens, -1, headSize).narrow(2, 0, numHeads), tables, inverse);
                Tensor rest = packed.narrow(1, numHeads * headSize, numOtherHeads * headSize).clone();
                RotaryOp.Rotate(packed, shape, numHeads, headSize, tables, inverse);
                Tensors.AssertClose(expected, packed, type == ScalarType.Float32 ? 1e-6 : Tensors.BFloat16Step, $"{type} inverse {inverse}");
                Assert.Equal(Tensors.Values(rest), Tensors.Values(packed.narrow(1, numHeads * headSize, numOtherHeads * headSize)));
            }
        }
    }

    [Fact]
    public void Rotate_ThereAndBack_GivesTheSame()
    {
        using DisposeScope scope = NewDisposeScope();
        var tables = new RotaryTables(Rope, headSize: 20, numPositions: 50);
        var shape = new BatchShape(2, 50);
        Tensor packed = Tensors.Normal(new Random(1), ScalarType.Float32, 100, 60);
        Tensor start = packed.clone();
        RotaryOp.Rotate(packed, shape, 3, 20, tables, inverse: false);
        RotaryOp.Rotate(packed, shape, 3, 20, tables, inverse: true);
        Tensors.AssertClose(start, packed, 1e-6, "round trip");
    }

    [Fact]
    public void Rotate_MoreTokensThanPositions_IsRefused()
    {
        using Tensor packed = zeros(5, 8);
        var tables = new RotaryTables(Rope, headSize: 8, numPositions: 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => RotaryOp.Rotate(packed, new BatchShape(1, 5), 1, 8, tables, inverse: false));
    }
}
