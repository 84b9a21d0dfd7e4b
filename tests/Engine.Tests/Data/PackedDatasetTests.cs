using Offload.Engine.Compute;
using Offload.Engine.Data;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Tests.Data;

public sealed class PackedDatasetTests : IDisposable
{
    private const int Ignored = ISequenceDataset.IgnoredLabel;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Read_LastSequence_IsPaddedAndNotCounted()
    {
        using TokenStore store = Tokens(10);
        var dataset = new PackedDataset(store, sequenceLength: 4, paddingId: 99);

        Assert.Equal((3, 10), (dataset.NumSequences, dataset.NumTokens));
        AssertSequence([0, 1, 2, 3], [1, 2, 3, Ignored], dataset, 0);
        AssertSequence([4, 5, 6, 7], [5, 6, 7, Ignored], dataset, 1);
        AssertSequence([8, 9, 99, 99], [9, Ignored, Ignored, Ignored], dataset, 2);
        Assert.Throws<ArgumentOutOfRangeException>(() => Read(dataset, 3));
    }

    [Fact]
    public void Read_AnyLength_LosesNoTokenAndCountsWhatItSays()
    {
        for (int numTokens = 2; numTokens < 30; numTokens++)
        {
            using TokenStore store = Tokens(numTokens);
            for (int length = 2; length < 12; length++)
            {
                var dataset = new PackedDataset(store, length, paddingId: -1);
                var ids = new List<int>();
                for (long index = 0; index < dataset.NumSequences; index++)
                {
                    (int[] inputIds, int[] labels) = Read(dataset, index);
                    ids.AddRange(inputIds.Where(id => id >= 0));
                    for (int position = 0; position < length; position++)
                    {
                        int next = position + 1 < length ? inputIds[position + 1] : -1;
                        Assert.Equal(next < 0 ? Ignored : next, labels[position]);
                    }
                }

                // A single token left over has nothing to predict and makes no sequence.
                Assert.Equal(Enumerable.Range(0, numTokens % length == 1 ? numTokens - 1 : numTokens), ids);
            }
        }
    }

    [Fact]
    public void Create_TooShort_IsRefused()
    {
        using TokenStore one = Tokens(1);
        using TokenStore two = Tokens(2);

        Assert.Equal("data: expected at least 2 tokens, found 1", Assert.Throws<UnreadableInputException>(() => new PackedDataset(one, 8, 0)).Message);
        Assert.Equal("--seq-len: expected at least 2 tokens, found 1", Assert.Throws<UsageException>(() => new PackedDataset(two, 1, 0)).Message);
    }

    [Theory]
    [InlineData(100, 0.05, 5)]
    [InlineData(100, 0, 0)]
    [InlineData(100, 0.001, 1)]
    [InlineData(2, 0.05, 1)]
    [InlineData(2, 0.99, 1)]
    [InlineData(1, 0.5, 0)]
    [InlineData(7, 0.5, 4)]
    public void Split_Fraction_IsDisjointCompleteAndFixedForASeed(int numSequences, double fraction, int numEval)
    {
        using TokenStore store = Tokens(numSequences * 2);
        var all = new PackedDataset(store, 2, 0);
        (ISequenceDataset train, ISequenceDataset? eval) = EvalSplit.Split(all, fraction, seed: 4);
        (ISequenceDataset trainAgain, ISequenceDataset? evalAgain) = EvalSplit.Split(all, fraction, seed: 4);

        int[] trainIds = FirstIds(train);
        int[] evalIds = eval is null ? [] : FirstIds(eval);
        Assert.Equal(numEval, evalIds.Length);
        Assert.Equal(Enumerable.Range(0, numSequences).Select(index => index * 2), trainIds.Concat(evalIds).Order());
        Assert.Equal(trainIds, FirstIds(trainAgain));
        Assert.Equal(evalIds, evalAgain is null ? [] : FirstIds(evalAgain));
        if (numSequences == 100 && numEval == 5)
        {
            Assert.NotEqual(evalIds.Order(), FirstIds(EvalSplit.Split(all, fraction, seed: 5).Eval!).Order());
        }
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1)]
    [InlineData(double.NaN)]
    public void Split_FractionOutOfRange_IsAUsageError(double fraction)
    {
        using TokenStore store = Tokens(8);
        var all = new PackedDataset(store, 2, 0);

        Assert.StartsWith("--eval-fraction: expected", Assert.Throws<UsageException>(() => EvalSplit.Split(all, fraction, 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BatchSource_Read_IsAFunctionOfThePosition()
    {
        using TokenStore store = Tokens(23);
        var dataset = new PackedDataset(store, 4, 99);
        SequenceOrder order = SequenceOrder.Shuffled(dataset.NumSequences, seed: 8);
        var source = new BatchSource(dataset, order);
        source.Read(100, 4);
        for (long position = 0; position < 30; position++)
        {
            MicroBatch batch = source.Read(position, 4);
            MicroBatch again = source.Read(position, 4);
            Assert.Equal(batch.Ids, again.Ids);
            Assert.Equal(batch.Targets, again.Targets);
            for (int row = 0; row < 4; row++)
            {
                (int[] ids, int[] labels) = Read(dataset, order.At(position + row).SequenceIndex);
                Assert.Equal(ids, batch.Ids[(row * 4)..((row + 1) * 4)]);
                Assert.Equal(labels, batch.Targets[(row * 4)..((row + 1) * 4)]);
            }

            Assert.Equal(batch.Targets.Count(label => label != Ignored), batch.NumCounted);
        }
    }

    [Fact]
    public void BatchSource_ReadRange_EndsWithASmallerBatch()
    {
        using TokenStore store = Tokens(12);
        var dataset = new PackedDataset(store, 4, 99);
        var source = new BatchSource(dataset, SequenceOrder.AsStored(3));
        MicroBatch[] batches = [.. source.ReadRange(0, 3, microBatchSequences: 2)];

        Assert.Equal([2, 1], batches.Select(batch => batch.Shape.Sequences));
        Assert.Equal([8, 9, 10, 11], batches[1].Ids);
        Assert.Equal(3, batches[1].NumCounted);
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchSource(dataset, SequenceOrder.AsStored(4)));
    }

    private static void AssertSequence(int[] inputIds, int[] labels, ISequenceDataset dataset, long index)
    {
        (int[] foundIds, int[] foundLabels) = Read(dataset, index);
        Assert.Equal(inputIds, foundIds);
        Assert.Equal(labels, foundLabels);
    }

    private static (int[] InputIds, int[] Labels) Read(ISequenceDataset dataset, long index)
    {
        int[] inputIds = new int[dataset.SequenceLength];
        int[] labels = new int[dataset.SequenceLength];
        dataset.Read(index, inputIds, labels);
        return (inputIds, labels);
    }

    private static int[] FirstIds(ISequenceDataset dataset) =>
        [.. Enumerable.Range(0, (int)dataset.NumSequences).Select(index => Read(dataset, index).InputIds[0])];

    private TokenStore Tokens(int count)
    {
        string path = _folder[Guid.NewGuid().ToString("N")];
        using (var writer = new TokenStoreWriter(path))
        {
            writer.Append([.. Enumerable.Range(0, count)]);
            writer.Complete();
        }

        return TokenStore.Open(path);
    }
}
