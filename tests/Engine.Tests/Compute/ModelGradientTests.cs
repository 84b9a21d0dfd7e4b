using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

/// <summary>Loss and gradients of whole models in float32.</summary>
public sealed class ModelGradientTests : IDisposable
{
    private const int Tokens = 9;
    private readonly ParallelRanges _threads = new(2);

    public void Dispose() => _threads.Dispose();

    [Theory]
    [MemberData(nameof(Seeds))]
    public void ComputeGradients_RandomModel_AgreeWithAutogradOfANaiveModel(int seed)
    {
        var random = new Random(seed);
        DecoderConfig config = RandomModels.Config(random);
        AssertAgreesWithAutograd(config, Batch(random, config, sequences: 3), seed, headChunkTokens: random.Next(1, 40));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ComputeGradients_PaddingId_OnlyTheHeadsGradientReachesItsRow(bool tied)
    {
        var random = new Random(20);
        DecoderConfig config = RandomModels.Config(random) with { TiedEmbeddings = tied };
        MicroBatch batch = Batch(random, config, sequences: 3);
        config = config with { PaddingId = batch.Ids[0] };

        float[] embedding = AssertAgreesWithAutograd(config, batch, seed: 21, headChunkTokens: 10)[0];

        float[] row = embedding[(batch.Ids[0] * config.HiddenSize)..((batch.Ids[0] + 1) * config.HiddenSize)];
        Assert.Equal(tied, row.Any(gradient => gradient != 0));
    }

    [Fact]
    public void ComputeGradients_OneTokenWithQueryKeyNorm_AgreesWithAutograd()
    {
        var random = new Random(22);
        DecoderConfig config = RandomModels.Config(random) with
        {
            ModelType = "llama",
            GatedMlp = true,
            LearnedPositionOffset = null,
            Rope = RandomModels.Ropes[1],
            QueryKeyNorm = true,
        };

        AssertAgreesWithAutograd(config, new MicroBatch(new BatchShape(1, 1), [3], [1]), seed: 23, headChunkTokens: 10);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void ComputeGradients_UnequalMicroBatches_EqualOneBigBatch(int seed)
    {
        var random = new Random(seed);
        DecoderConfig config = RandomModels.Config(random) with { TiedEmbeddings = seed % 2 == 0 };
        MicroBatch all = Batch(random, config, sequences: 4);
        // One sequence counts all its tokens, one a single one, one none at all.
        Array.Fill(all.Targets, 1, 0, Tokens);
        Array.Fill(all.Targets, -100, Tokens, 2 * Tokens);
        all.Targets[Tokens + 3] = 2;
        all = new MicroBatch(all.Shape, all.Ids, all.Targets);
        MicroBatch[] parts = [.. Enumerable.Range(0, 4).Select(i => new MicroBatch(
            new BatchShape(1, Tokens), all.Ids[(i * Tokens)..((i + 1) * Tokens)], all.Targets[(i * Tokens)..((i + 1) * Tokens)]))];
        using ResidentModel model = Model(config, seed);

        StepGradients whole = model.ComputeGradients([all]);
        float[][] expected = [.. model.Units.Select(Gradients)];
        StepGradients sum = model.ComputeGradients(parts);

        Assert.Equal(whole.Loss, sum.Loss, 1e-6);
        Assert.Equal(whole.NumCountedTokens, sum.NumCountedTokens);
        Assert.Equal(whole.Loss, model.Evaluate(parts), 1e-6);
        for (int i = 0; i < expected.Length; i++)
        {
            Tensors.AssertNear(expected[i], Gradients(model.Units[i]), 1e-5, $"unit {i}");
        }
    }

    [Fact]
    public void ComputeGradients_TiedModel_IsTheUntiedOnesHeadAndEmbeddingAdded()
    {
        var random = new Random(5);
        DecoderConfig tied = RandomModels.Config(random) with { TiedEmbeddings = true, FinalNorm = true };
        MicroBatch[] batches = [Batch(random, tied, sequences: 2), Batch(random, tied, sequences: 1)];
        using ResidentModel tiedModel = Model(tied, seed: 6);
        using var untiedModel = new ResidentModel(ModelLayout.Create(tied with { TiedEmbeddings = false }), Numerics(512), _threads);
        for (int i = 0; i < tiedModel.Units.Count; i++)
        {
            untiedModel.WriteMasters(i, 0, Masters(tiedModel, i));
        }

        int matrixCount = tied.VocabularySize * tied.HiddenSize;
        long headOffset = untiedModel.Units[^1].Layout.Count - matrixCount;
        untiedModel.WriteMasters(untiedModel.Units.Count - 1, headOffset, Masters(tiedModel, 0).AsSpan(0, matrixCount));
        untiedModel.CompleteMasters();

        double loss = untiedModel.ComputeGradients(batches).Loss;
        Assert.Equal(loss, tiedModel.ComputeGradients(batches).Loss);
        float[] embedding = Gradients(untiedModel.Units[0]);
        float[] head = Gradients(untiedModel.Units[^1]);
        float[] actual = Gradients(tiedModel.Units[0]);
        for (int i = 0; i < matrixCount; i++)
        {
            // Two sums, added once: the very bits.
            Assert.Equal(embedding[i] + head[headOffset + i], actual[i]);
        }

        // And no sum is left over from the step before.
        Assert.Equal(loss, tiedModel.ComputeGradients(batches).Loss);
        Assert.Equal(actual, Gradients(tiedModel.Units[0]));
    }

    [Fact]
    public void Loss_HeadChunkOfAnySize_IsTheSame()
    {
        DecoderConfig config = RandomModels.Config(new Random(8));
        MicroBatch batch = Batch(new Random(9), config, sequences: 3);
        double[] losses = [.. ((int[])[1, 5, 26, 27, 28, 10_000]).Select(chunk =>
        {
            using ResidentModel model = Model(config, seed: 10, chunk);
            double loss = model.ComputeGradients([batch]).Loss;
            Assert.Equal(loss, model.Evaluate([batch]), 1e-9);
            return loss;
        })];
        Assert.All(losses, loss => Assert.Equal(losses[0], loss, 1e-6));
    }

    [Fact]
    public void Logits_LastTokenOnly_AreTheWholesRows()
    {
        DecoderConfig config = RandomModels.Config(new Random(12));
        MicroBatch batch = Batch(new Random(13), config, sequences: 3);
        using ResidentModel model = Model(config, seed: 14);
        using DisposeScope scope = NewDisposeScope();
        Tensor all = model.Logits(batch).view(3, Tokens, -1).select(1, Tokens - 1).contiguous();
        Tensors.AssertNear(all, model.Logits(batch, lastTokenOnly: true), 1e-6, "logits");
    }

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(100, 25)];

    private float[][] AssertAgreesWithAutograd(DecoderConfig config, MicroBatch batch, int seed, int headChunkTokens)
    {
        string what = $"seed {seed}: {RandomModels.Describe(config)} tied {config.TiedEmbeddings}";
        using DisposeScope scope = NewDisposeScope();
        using ResidentModel model = Model(config, seed, headChunkTokens);
        var leaves = new Dictionary<string, Tensor>();
        foreach (UnitTensors unit in model.Units)
        {
            foreach ((string name, Tensor leaf) in RandomModels.Leaves(unit.Layout, Masters(model, unit.Layout.Index)))
            {
                leaves.Add(name, leaf);
            }
        }

        Tensor loss = new NaiveDecoder(config, leaves).Loss(batch.Ids, batch.Targets, batch.Shape.Sequences) / batch.NumCounted;
        loss.backward();
        StepGradients step = model.ComputeGradients([batch]);

        Assert.Equal(loss.item<float>(), step.Loss, 1e-4 * loss.item<float>());
        double norm = Math.Sqrt(leaves.Values.Sum(leaf => leaf.grad is Tensor gradient ? Math.Pow(gradient.norm().item<float>(), 2) : 0));
        Assert.Equal(norm, step.Norm, 1e-4 * norm);
        foreach (UnitTensors unit in model.Units)
        {
            float[] gradients = Gradients(unit);
            foreach (ParameterInfo parameter in unit.Layout.Parameters)
            {
                Tensors.AssertNear(
                    Tensors.Values(leaves[parameter.Name].grad!.contiguous()),
                    gradients.AsSpan((int)parameter.Offset, (int)parameter.Count),
                    1e-4,
                    $"gradient of {parameter.Name}, {what}",
                    floor: 1e-2 * norm);
            }
        }

        return [.. model.Units.Select(Gradients)];
    }

    private static MicroBatch Batch(Random random, DecoderConfig config, int sequences)
    {
        var shape = new BatchShape(sequences, Tokens);
        int[] ids = [.. Enumerable.Range(0, shape.Rows).Select(_ => random.Next(config.VocabularySize))];
        int[] targets = [.. Enumerable.Range(0, shape.Rows).Select(i => i % 5 == 3 ? -100 : random.Next(config.VocabularySize))];
        return new MicroBatch(shape, ids, targets);
    }

    private static RunNumerics Numerics(int headChunkTokens) => new()
    {
        Type = ComputeType.Float32,
        SequenceTokens = Tokens,
        MicroBatchSequences = 1,
        HeadChunkTokens = headChunkTokens,
        Seed = 0,
        ComputeThreads = 2,
    };

    private ResidentModel Model(DecoderConfig config, int seed, int headChunkTokens = 512)
    {
        var random = new Random(seed);
        var model = new ResidentModel(ModelLayout.Create(config), Numerics(headChunkTokens), _threads);
        foreach (UnitTensors unit in model.Units)
        {
            model.WriteMasters(unit.Layout.Index, 0, RandomModels.Parameters(random, unit.Layout));
        }

        model.CompleteMasters();
        return model;
    }

    private static float[] Masters(ResidentModel model, int unitIndex)
    {
        var values = new float[model.Units[unitIndex].Layout.Count];
        model.ReadMasters(unitIndex, 0, values);
        return values;
    }

    private static float[] Gradients(UnitTensors unit)
    {
        var values = new float[unit.Layout.Count];
        unit.ReadGradients(0, values);
        return values;
    }
}
