using Offload.Engine.Cuda;
using Offload.Engine.Models;

namespace Offload.Engine.Tests.Cuda;

public sealed unsafe class GemmAlignmentsTests
{
    [Fact]
    public void Of_Addresses_AreTheirPowersOfTwoUpToTheMost()
    {
        GemmAlignments alignments = GemmAlignments.Of(left: (void*)0x1008, right: (void*)0x1002, destination: (void*)0x1100, bias: null, addend: (void*)0x1004);

        Assert.Equal(new GemmAlignments(Right: 2, Left: 8, Added: 4, Destination: 16), alignments);
        Assert.Equal([2, 8, 4, 16], Enumerable.Range(0, GemmAlignments.NumMatrices).Select(matrix => alignments[matrix]));
    }

    [Fact]
    public void Of_BiasBelowTheDestinations_CountsForBoth()
    {
        GemmAlignments alignments = GemmAlignments.Of((void*)0x1000, (void*)0x1000, destination: (void*)0x1000, bias: (void*)0x1006, addend: null);

        Assert.Equal(new GemmAlignments(Right: 16, Left: 16, Added: 16, Destination: 2), alignments);
    }

    [Theory]
    [InlineData(false, false, 10, 12)]
    [InlineData(true, false, 6, 12)]
    [InlineData(false, true, 10, 10)]
    [InlineData(true, true, 6, 10)]
    public void OfRows_EachStorage_FollowsTheLengthOfARow(bool transposeLeft, bool transposeRight, int leftRow, int rightRow)
    {
        var shape = new GemmShape(6, 12, 10, transposeLeft, transposeRight, ComputeType.BFloat16, IntoFloat32: true, Accumulates: false);

        GemmAlignments alignments = GemmAlignments.Of((void*)0x1000, (void*)0x1000, (void*)0x1000, null, null).OfRows(shape);

        Assert.Equal((LowestBit(2 * leftRow), LowestBit(2 * rightRow)), (alignments.Left, alignments.Right));
        Assert.Equal((16, 16), (alignments.Destination, alignments.Added)); // 48 bytes
        Assert.Equal(new GemmAlignments(2, 2, 4, 4), GemmAlignments.OfElements(shape));
    }

    [Fact]
    public void Describe_EveryPart_IsNamed()
    {
        var shape = new GemmShape(2, 3, 4, TransposeLeft: true, TransposeRight: false, ComputeType.BFloat16, IntoFloat32: true, Accumulates: false);

        Assert.Equal("[2, 3] = [2, 4]^T [4, 3] + bias + addend (BFloat16 into fp32)", new GemmKey(shape, HasBias: true, HasAddend: true, default).Describe());
    }

    /// <summary>cublasLt fills an array of these: the sizes are the header's.</summary>
    [Fact]
    public void Structures_OfCublasLt_HaveTheHeadersSizes() => Assert.Equal((64, 96), (sizeof(CublasLt.Algorithm), sizeof(CublasLt.HeuristicResult)));

    private static int LowestBit(int value) => value & -value;
}
