using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Swap.Planning;

namespace Offload.Acceptance.Swap;

/// <summary>A llama of a small width, and the step that it is trained by.</summary>
internal sealed class SmallModel
{
    private const int HeadSize = 32;

    public SmallModel(
        int numLayers, int hidden, int sequenceTokens, int microBatchSequences, int numMicroBatches, int tileParameters = 4096, int vocabulary = 256, ComputeType type = ComputeType.BFloat16)
    {
        Layout = ModelLayout.Create(new DecoderConfig
        {
            ModelType = "llama",
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            NumLayers = numLayers,
            NumHeads = hidden / HeadSize,
            NumKeyValueHeads = hidden / HeadSize,
            HeadSize = HeadSize,
            IntermediateSize = hidden * 8 / 3 / HeadSize * HeadSize,
            MaxPositions = sequenceTokens,
            Norm = NormKind.RmsNorm,
            NormEpsilon = 1e-5,
            Activation = ActivationKind.Silu,
            GatedMlp = true,
            Rope = new RopeConfig(RopeKind.Default, 10_000),
            QueryKeyValueBias = false,
            AttentionOutputBias = false,
            MlpBias = false,
            TiedEmbeddings = false,
        });
        Numerics = new RunNumerics
        {
            Type = type,
            SequenceTokens = sequenceTokens,
            MicroBatchSequences = microBatchSequences,
            Seed = 0,
            ComputeThreads = 1,
        };
        Workload work = ModelWorkload.Create(Layout, type, sequenceTokens, microBatchSequences, numMicroBatches, Numerics.HeadChunkTokens, tileParameters);
        // Slowed-down compute is given its time by its FLOPs: element-wise work takes none beside them.
        Work = work with { Units = [.. work.Units.Select(unit => unit with { ElementBytes = 0 })] };
    }

    public ModelLayout Layout { get; }

    public RunNumerics Numerics { get; }

    public Workload Work { get; }

    /// <summary>Random text: the same for the same step.</summary>
    public MicroBatch[] Batches(int step)
    {
        var random = new Random(step);
        var shape = new BatchShape(Numerics.MicroBatchSequences, Numerics.SequenceTokens);
        int[] Ids() => [.. Enumerable.Range(0, shape.Rows).Select(_ => random.Next(Layout.Config.VocabularySize))];
        return [.. Enumerable.Range(0, Work.NumMicroBatches).Select(_ => new MicroBatch(shape, Ids(), Ids()))];
    }

    /// <summary>Random weights of a size with which nothing overflows.</summary>
    public void Initialise(SwapStates states)
    {
        var random = new Random(1);
        float[] values = [];
        foreach (UnitLayout unit in Layout.Units)
        {
            if (values.Length != unit.Count)
            {
                values = [.. Enumerable.Range(0, (int)unit.Count).Select(_ => (random.NextSingle() - 0.5f) / 10)];
            }

            states.WriteMasters(unit.Index, 0, values);
        }

        states.CompleteMasters();
    }
}
