using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Tests.Compute;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Storage.Numerics;
using Offload.Swap.Planning;
using Offload.Tests.Infrastructure;
using TorchSharp;

namespace Offload.Engine.Tests.Swapping;

/// <summary>Unit by unit over slot memory, with any policies and in either order: the resident model's bits.</summary>
[Collection(nameof(ProcessWide))]
public sealed unsafe class UnitComputeTests : IDisposable
{
    private const int Tokens = 13;
    private const int Sequences = 3;

    private static readonly string[] Families =
    [
        "gpt2", "gpt2-inner-untied", "llama", "llama-linear-biases-padding", "llama-llama3", "llama3-tied", "mistral", "opt", "opt-no-bias-gelu", "opt-untied", "qwen2",
        "qwen2-padding", "qwen3", "qwen3-bias",
    ];

    private readonly ParallelRanges _threads = new(2);

    public void Dispose() => _threads.Dispose();

    public static TheoryData<string, ComputeType> Models()
    {
        var data = new TheoryData<string, ComputeType>();
        foreach (ComputeType type in (ComputeType[])[ComputeType.Float32, ComputeType.BFloat16])
        {
            foreach (string family in Families)
            {
                data.Add(family, type);
            }

            for (int seed = 0; seed < 12; seed++)
            {
                data.Add($"seed {seed}", type);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Step_UnitByUnit_HasTheResidentModelsBits(string name, ComputeType type)
    {
        bool isRandom = name.StartsWith("seed ", StringComparison.Ordinal);
        int seed = isRandom ? int.Parse(name[5..], null) : Array.IndexOf(Families, name) + 100;
        var random = new Random(seed);
        DecoderConfig config = isRandom ? RandomModels.Config(random) : HubConfig.Load(Path.Combine(GoldenFolder.Repository, name));
        if (isRandom && seed % 2 == 0)
        {
            config = config with { PaddingId = 1 };
        }

        RunNumerics numerics = Numerics(type);
        using ResidentModel model = Model(config, numerics, random);
        MicroBatch[] batches = [Batch(random, config, Sequences, isCounted: seed % 3 > 0), Batch(random, config, Sequences), Batch(random, config, 1)];
        StepGradients expected = model.ComputeGradients(batches);
        double expectedLoss = model.Evaluate(batches);

        using var compute = new UnitCompute(model.Layout, numerics, _threads);
        foreach (bool isLayerMajor in (bool[])[true, false])
        {
            using var step = new UnitStep(compute, model, Work(model.Layout, numerics), Policies(random, model.Units.Count));
            // Twice over the same slots: nothing is left of the step before.
            step.Run([batches[1]], isLayerMajor);
            double loss = step.Run(batches, isLayerMajor);

            Assert.Equal(BitConverter.DoubleToInt64Bits(expected.Loss), BitConverter.DoubleToInt64Bits(loss));
            Assert.Equal(BitConverter.DoubleToInt64Bits(expectedLoss), BitConverter.DoubleToInt64Bits(step.Evaluate(batches)));
            foreach (UnitTensors unit in model.Units)
            {
                AssertUnit(step, unit, isSumAdded: unit.Layout.Index == 0 && config.TiedEmbeddings);
            }
        }
    }

    [Theory]
    [InlineData(ComputeType.Float32)]
    [InlineData(ComputeType.BFloat16)]
    public void Step_ManyTimes_KeepsNothing(ComputeType type)
    {
        var random = new Random(1);
        RunNumerics numerics = Numerics(type);
        using ResidentModel model = Model(SmallLlama.Config with { QueryKeyNorm = true, TiedEmbeddings = true }, numerics, random);
        MicroBatch[] batches = [Batch(random, SmallLlama.Config, Sequences), Batch(random, SmallLlama.Config, 2)];
        long tensorsBefore = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        long bytesBefore = NativeBuffer.OutstandingBytes;
        using (var compute = new UnitCompute(model.Layout, numerics, _threads))
        {
            using var step = new UnitStep(compute, model, Work(model.Layout, numerics), Policies(random, model.Units.Count));
            RunAll();
            long tensors = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            long bytes = NativeBuffer.OutstandingBytes;
            for (int i = 0; i < 10; i++)
            {
                RunAll();
                Assert.Equal(tensors, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
                Assert.Equal(bytes, NativeBuffer.OutstandingBytes);
            }

            void RunAll()
            {
                step.Run(batches, isLayerMajor: true);
                step.Run(batches, isLayerMajor: false);
                step.Evaluate(batches);
                for (int unit = 0; unit < model.Units.Count; unit++)
                {
                    step.Round(unit);
                }
            }
        }

        Assert.Equal(tensorsBefore, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.Equal(bytesBefore, NativeBuffer.OutstandingBytes);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(64, 1024)]
    [InlineData(67, 3001)]
    [InlineData(5, 104_857)]
    public void RoundGradients_InPlace_IsTheRoundingElsewhere(int hidden, int vocabulary)
    {
        DecoderConfig config = SmallLlama.Config with { HiddenSize = hidden, VocabularySize = vocabulary };
        ModelLayout layout = ModelLayout.Create(config);
        int count = (int)layout.Units[0].Count;
        using var compute = new UnitCompute(layout, Numerics(ComputeType.BFloat16), _threads);
        using var slot = new NativeBuffer(count * sizeof(float));
        var random = new Random(3);
        var sums = new float[count];
        for (int i = 0; i < count; i++)
        {
            sums[i] = (float)(random.NextDouble() - 0.5);
        }

        var expected = new ushort[count];
        BFloat16Convert.FromSingle(sums, expected);
        sums.CopyTo(slot.AsSpan<float>(0, count));
        compute.RoundGradients(0, (byte*)slot.Address, null);

        Assert.True(expected.AsSpan().SequenceEqual(slot.AsSpan<ushort>(0, count)));
    }

    [Fact]
    public void Forward_MoreRowsThanSlotsHave_IsRefused()
    {
        RunNumerics numerics = Numerics(ComputeType.Float32);
        using var compute = new UnitCompute(ModelLayout.Create(SmallLlama.Config), numerics, _threads);
        var batch = new StagedBatch(Batch(new Random(1), SmallLlama.Config, Sequences + 1));

        Assert.Throws<ArgumentOutOfRangeException>(() => compute.Embed(null, batch, null));
    }

    private static void AssertUnit(UnitStep step, UnitTensors unit, bool isSumAdded)
    {
        int count = (int)unit.Layout.Count;
        if (count == 0)
        {
            return;
        }

        if (!isSumAdded)
        {
            Assert.Equal(Bytes(Engine.Interop.Aten.DataPointer(unit.GradientSums!), count * sizeof(float)), Bytes(step.Sums(unit.Layout.Index), count * sizeof(float)));
        }

        step.Round(unit.Layout.Index);
        int sizeBytes = count * unit.Gradients.ElementBytes;
        Assert.Equal(Bytes(unit.Gradients.Address, sizeBytes), Bytes(step.Sums(unit.Layout.Index), sizeBytes));
    }

    private static byte[] Bytes(void* address, int count) => new ReadOnlySpan<byte>(address, count).ToArray();

    private static RunNumerics Numerics(ComputeType type) => new()
    {
        Type = type,
        SequenceTokens = Tokens,
        MicroBatchSequences = Sequences,
        HeadChunkTokens = 10,
        Seed = 0,
        ComputeThreads = 2,
    };

    private static Workload Work(ModelLayout layout, RunNumerics numerics) => ModelWorkload.Create(
        layout, numerics.Type, numerics.SequenceTokens, numerics.MicroBatchSequences, numMicroBatches: 3, numerics.HeadChunkTokens, tileParameters: 1 << 11);

    private ResidentModel Model(DecoderConfig config, RunNumerics numerics, Random random)
    {
        var model = new ResidentModel(ModelLayout.Create(config), numerics, _threads);
        foreach (UnitTensors unit in model.Units)
        {
            model.WriteMasters(unit.Layout.Index, 0, RandomModels.Parameters(random, unit.Layout));
        }

        model.CompleteMasters();
        return model;
    }

    private static MicroBatch Batch(Random random, DecoderConfig config, int sequences, bool isCounted = true)
    {
        var shape = new BatchShape(sequences, Tokens);
        int[] ids = [.. Enumerable.Range(0, shape.Rows).Select(_ => random.Next(config.VocabularySize))];
        int[] targets = [.. Enumerable.Range(0, shape.Rows).Select(i => isCounted && i % 5 != 3 ? random.Next(config.VocabularySize) : -100)];
        return new MicroBatch(shape, ids, targets);
    }

    private static ActivationPolicy[][] Policies(Random random, int numUnits) =>
        [.. Enumerable.Range(0, numUnits).Select(_ => Enumerable.Range(0, ActivationSizes.NumActivations).Select(_ => (ActivationPolicy)random.Next(4)).ToArray())];
}
