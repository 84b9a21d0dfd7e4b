using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Storage.Numerics;

namespace Offload.Engine.Tests.Optimizers;

public sealed unsafe class GradientNormTests
{
    private const int Length = (3 * GradientNorm.BlockElements) + 12_345;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OfBlock_AnyWidthLengthAndStart_GivesTheSameBits(bool bfloat16)
    {
        AdamWArrays arrays = AdamWArrays.Ordinary(5000, seed: 31);
        foreach (int start in (int[])[0, 1, 3])
        {
            foreach (int length in (int[])[.. Enumerable.Range(0, 130), 4001, 4992])
            {
                GradientPointer gradient = arrays.GradientOf(bfloat16).From(start);
                double expected = SquareSum.OfBlock(gradient, length, SimdWidth.Scalar);
                Assert.Equal(expected, SquareSum.OfBlock(gradient, length, SimdWidth.Vector256));
                Assert.Equal(expected, SquareSum.OfBlock(gradient, length, SimdWidth.Vector512));
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SumOfSquares_FollowsTheWrittenOrder(bool bfloat16)
    {
        AdamWArrays arrays = AdamWArrays.Ordinary(Length, seed: 32);
        double expected = 0;
        for (int block = 0; block < Length; block += 65536)
        {
            double[] sums = new double[32];
            for (int i = block; i < Math.Min(Length, block + 65536); i++)
            {
                double value = bfloat16 ? BFloat16Convert.ToSingle(arrays.GradientBFloat16[i]) : arrays.Gradient[i];
                sums[(i - block) % 32] += value * value;
            }

            while (sums.Length > 1)
            {
                int half = sums.Length / 2;
                sums = [.. Enumerable.Range(0, half).Select(j => sums[j] + sums[j + half])];
            }

            expected += sums[0];
        }

        foreach (int numThreads in (int[])[1, 2, 3, 7])
        {
            using var threads = new ParallelRanges(numThreads);
            var norm = new GradientNorm(threads);
            Assert.Equal(expected, norm.SumOfSquares(arrays.GradientOf(bfloat16), Length));

            // In pieces cut at blocks it is the same sum.
            double piece = norm.SumOfSquares(arrays.GradientOf(bfloat16), 2 * GradientNorm.BlockElements);
            Assert.Equal(expected, norm.SumOfSquares(
                arrays.GradientOf(bfloat16).From(2 * GradientNorm.BlockElements), Length - (2 * GradientNorm.BlockElements), piece));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void SumOfSquares_OneBadGradientAnywhere_IsNotFinite(float bad)
    {
        using var threads = new ParallelRanges(2);
        var norm = new GradientNorm(threads);
        foreach (int position in (int[])[0, 31, 65_535, 65_536, 70_000 - 1])
        {
            AdamWArrays arrays = AdamWArrays.Ordinary(70_000, seed: 33);
            Assert.True(double.IsFinite(norm.SumOfSquares(arrays.GradientOf(false), 70_000)));
            arrays.Gradient[position] = bad;
            arrays.GradientBFloat16[position] = BFloat16Convert.FromSingle(bad);
            Assert.False(double.IsFinite(norm.SumOfSquares(arrays.GradientOf(false), 70_000)));
            Assert.False(double.IsFinite(norm.SumOfSquares(arrays.GradientOf(true), 70_000)));
        }
    }

    [Fact]
    public void SumOfSquares_LargestFiniteGradients_IsFinite()
    {
        var arrays = new AdamWArrays(1000);
        Array.Fill(arrays.Gradient, float.MaxValue);
        using var threads = new ParallelRanges(1);
        Assert.True(double.IsFinite(new GradientNorm(threads).SumOfSquares(arrays.GradientOf(false), 1000)));
    }

    [Theory]
    [InlineData(0.5, 1.0, 1f)]
    [InlineData(4.0, 1.0, 0.24999994f)]
    [InlineData(1e30, 0.0, 1f)]
    [InlineData(0.0, 1.0, 1f)]
    public void ClipScale_KnownNorm_IsTorchs(double norm, double maxNorm, float expected)
    {
        Assert.Equal(expected, GradientNorm.ClipScale(norm, maxNorm));
    }

    [Fact]
    public void ClipScale_NormNotFinite_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientNorm.ClipScale(double.NaN, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientNorm.ClipScale(double.PositiveInfinity, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientNorm.ClipScale(1, -1));
    }

    [Fact]
    public void Round_Sums_AreTheNearestBFloat16()
    {
        AdamWArrays arrays = AdamWArrays.AnyBits(150_001, seed: 34);
        ushort[] rounded = GC.AllocateArray<ushort>(arrays.Length, pinned: true);
        using var threads = new ParallelRanges(2);
        new GradientRounding(threads).Round(AdamWArrays.Pointer(arrays.Gradient), AdamWArrays.Pointer(rounded), arrays.Length);
        Assert.Equal(Array.ConvertAll(arrays.Gradient, BFloat16Convert.FromSingle), rounded);
    }
}
