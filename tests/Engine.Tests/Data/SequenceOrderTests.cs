using FsCheck.Xunit;
using Offload.Engine.Data;

namespace Offload.Engine.Tests.Data;

public class SequenceOrderTests
{
    [Fact]
    public void SplitMix64_ReferenceOutputs_AreReproduced()
    {
        // First outputs of the reference generator from the state 1234567.
        ulong state = 1234567;
        foreach (ulong expected in new ulong[] { 6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821 })
        {
            Assert.Equal(expected, Permutation.SplitMix64(state));
            state += 0x9E3779B97F4A7C15;
        }
    }

    [Fact]
    public void At_EveryCountUpTo500_IsAPermutationInEveryEpoch()
    {
        for (int count = 1; count <= 500; count++)
        {
            SequenceOrder order = SequenceOrder.Shuffled(count, seed: count);
            for (long epoch = 0; epoch < 2; epoch++)
            {
                bool[] seen = new bool[count];
                for (int index = 0; index < count; index++)
                {
                    (long foundEpoch, long sequence) = order.At((epoch * count) + index);
                    Assert.Equal(epoch, foundEpoch);
                    Assert.False(seen[sequence]);
                    seen[sequence] = true;
                }
            }
        }
    }

    [Property(MaxTest = 10)]
    public void At_RandomLargeCount_IsAPermutation(int random, long seed)
    {
        int count = 1 + (int)((uint)random % 50_000);
        SequenceOrder order = SequenceOrder.Shuffled(count, seed);
        bool[] seen = new bool[count];
        for (int index = 0; index < count; index++)
        {
            seen[order.At(index).SequenceIndex] = true;
        }

        Assert.DoesNotContain(false, seen);
    }

    [Theory]
    [InlineData(1L << 40)]
    [InlineData((1L << 40) + 1)]
    [InlineData(long.MaxValue)]
    public void At_HugeCount_StaysInRangeWithoutRepeats(long count)
    {
        SequenceOrder order = SequenceOrder.Shuffled(count, seed: 3);
        long[] found = [.. Enumerable.Range(0, 10_000).Select(index => order.At(index).SequenceIndex)];

        Assert.All(found, index => Assert.InRange(index, 0, count - 1));
        Assert.Equal(found.Length, found.Distinct().Count());
        Assert.InRange(found.Average(index => (double)index) / count, 0.48, 0.52);
    }

    [Fact]
    public void At_OtherEpochOrSeed_IsAnotherOrder()
    {
        long[] Take(long seed, int epoch) => [.. Enumerable.Range(0, 100).Select(index => SequenceOrder.Shuffled(100, seed).At((epoch * 100L) + index).SequenceIndex)];
        long[][] orders = [Take(1, 0), Take(1, 1), Take(1, 2), Take(2, 0), Take(2, 1), Take(-1, 0), Take(0, 0)];

        for (int first = 0; first < orders.Length; first++)
        {
            for (int second = 0; second < first; second++)
            {
                // Two random orders of 100 agree in about one place.
                Assert.True(orders[first].Zip(orders[second]).Count(pair => pair.First == pair.Second) < 10);
            }
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(12)]
    [InlineData(17)]
    public void At_ManyEpochs_PutsEverySequenceEverywhereEquallyOften(int count)
    {
        const int NumEpochs = 4000;
        SequenceOrder order = SequenceOrder.Shuffled(count, seed: 11);
        int[,] counts = new int[count, count];
        for (int position = 0; position < NumEpochs * count; position++)
        {
            counts[position % count, order.At(position).SequenceIndex]++;
        }

        double expected = (double)NumEpochs / count;
        double chiSquared = counts.Cast<int>().Sum(found => (found - expected) * (found - expected) / expected);
        double freedom = (count - 1.0) * (count - 1);
        Assert.True(chiSquared < freedom + (5 * Math.Sqrt(2 * freedom)) + 5, $"{chiSquared} of {freedom}");
    }

    [Fact]
    public void At_ThreeSequences_TakesAllSixOrdersAboutEquallyOften()
    {
        SequenceOrder order = SequenceOrder.Shuffled(3, seed: 12);
        int[] counts = [.. Enumerable.Range(0, 6000)
            .GroupBy(epoch => (order.At(epoch * 3L).SequenceIndex * 3) + order.At((epoch * 3L) + 1).SequenceIndex)
            .Select(group => group.Count())];

        Assert.Equal(6, counts.Length);
        Assert.All(counts, count => Assert.InRange(count, 850, 1150));
    }

    [Fact]
    public void At_KnownAnswers_NeverChange()
    {
        long[] Take(long count, long seed, long position) => [.. Enumerable.Range(0, 10).Select(index => SequenceOrder.Shuffled(count, seed).At(position + index).SequenceIndex)];

        Assert.Equal(KnownAnswers.Ten, Take(10, 0, 0));
        Assert.Equal(KnownAnswers.TenSecondEpoch, Take(10, 0, 10));
        Assert.Equal(KnownAnswers.Thousand, Take(1000, 42, 0));
        Assert.Equal(KnownAnswers.Huge, Take(1L << 40, -7, 5L << 40));
    }

    [Fact]
    public void AsStored_EveryEpoch_IsTheStoredOrder()
    {
        SequenceOrder order = SequenceOrder.AsStored(3);

        Assert.Equal([(0, 0), (0, 1), (0, 2), (1, 0)], Enumerable.Range(0, 4).Select(position => order.At(position)));
    }

    // From an independent implementation (Python) of the documented algorithm.
    private static class KnownAnswers
    {
        public static readonly long[] Ten = [2, 4, 5, 7, 0, 9, 3, 6, 1, 8];
        public static readonly long[] TenSecondEpoch = [0, 1, 4, 3, 6, 2, 7, 8, 9, 5];
        public static readonly long[] Thousand = [979, 513, 988, 467, 621, 721, 248, 457, 419, 498];
        public static readonly long[] Huge = [504773697386, 39709295805, 888960335047, 544034411884, 814525764768, 329149056121, 553438550518, 1072227092945, 740177567948, 866092703720];
    }
}
