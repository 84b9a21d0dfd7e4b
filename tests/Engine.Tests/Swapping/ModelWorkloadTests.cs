using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Profiling.Cuda;
using Offload.Engine.Swapping;
using Offload.Engine.Tests.Compute;
using Offload.Engine.Training;
using Offload.Swap.Planning;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Swapping;

public sealed class ModelWorkloadTests
{
    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("llama3-tied")]
    [InlineData("opt")]
    [InlineData("qwen3")]
    public void Create_Model_FlopsOfAStepAreThoseOfItsProfile(string name)
    {
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(Path.Combine(GoldenFolder.Repository, name)));
        AssertFlops(layout, ModelWorkload.Create(layout, ComputeType.BFloat16, 24, 3, 5, 512, 1 << 21), numTokens: 24 * 3 * 5, sequenceTokens: 24);
    }

    [Fact]
    public void Create_LargeModelFromItsConfigAlone_Counts()
    {
        DecoderConfig config = SmallLlama.Config with
        {
            ModelType = "opt",
            VocabularySize = 50_272,
            HiddenSize = 12_288,
            NumLayers = 96,
            NumHeads = 96,
            NumKeyValueHeads = 96,
            HeadSize = 128,
            IntermediateSize = 49_152,
            MaxPositions = 2048,
            Norm = NormKind.LayerNorm,
            Activation = ActivationKind.Relu,
            GatedMlp = false,
            Rope = null,
            LearnedPositionOffset = 2,
            QueryKeyValueBias = true,
            AttentionOutputBias = true,
            MlpBias = true,
            TiedEmbeddings = true,
        };
        ModelLayout layout = ModelLayout.Create(config);

        Workload work = ModelWorkload.Create(layout, ComputeType.BFloat16, 2048, 64, 8, 512, 1 << 21);

        Assert.Equal(174_604_468_224, work.Units.Sum(unit => unit.NumParameters));
        Assert.Equal(layout.NumParameters, work.Units.Sum(unit => unit.NumParameters));
        Assert.Equal(2048L * 64 * 12_288 * 2, work.HiddenBytes);
        Assert.Equal((2, 2, true), (work.WeightBytes, work.GradientBytes, work.IsTied));
        Assert.Equal(2048L * 64 * 49_152 * 2, work.Units[1].Activations[3].SizeBytes);
        Assert.True(work.WorkspaceBytes > 2048L * 64 * 12_288 * 2 * 10);
        AssertFlops(layout, work, numTokens: 2048.0 * 64 * 8, sequenceTokens: 2048);
    }

    [Fact]
    public void Create_Activations_RecomputeEverythingButTheLastProduct()
    {
        ModelLayout layout = ModelLayout.Create(SmallLlama.Config);
        UnitShape layer = ModelWorkload.Create(layout, ComputeType.Float32, 32, 2, 1, 512, 1 << 21).Units[1];

        Assert.Equal(["qkv", "attention", "middle", "up"], layer.Activations.Select(activation => activation.Name));
        Assert.Equal(layer.AttentionFlops, layer.Activations.Sum(activation => activation.RecomputeAttentionFlops));
        double down = 2.0 * 64 * SmallLlama.Config.IntermediateSize * SmallLlama.Config.HiddenSize;
        Assert.Equal(layer.Flops - down, layer.Activations.Sum(activation => activation.RecomputeFlops), 1e-6);
    }

    [Fact]
    public void Create_ElementBytes_CountsWhatIsReadAndWrittenBesideProducts()
    {
        DecoderConfig config = SmallLlama.Config;
        const double Rows = 2 * 32;
        Workload work = ModelWorkload.Create(ModelLayout.Create(config), ComputeType.BFloat16, 32, 2, 1, 512, 1 << 21);
        double queryKey = (config.NumHeads + config.NumKeyValueHeads) * config.HeadSize;

        // Two norms, two residual sums, rotation in place, gate and up read and their product written.
        Assert.Equal(2 * Rows * ((10 * config.HiddenSize) + (2 * queryKey) + (3 * config.IntermediateSize)), work.Units[1].ElementBytes);
        Assert.Equal(2 * Rows * ((5 * config.HiddenSize) + (3 * config.VocabularySize)), work.Units[^1].ElementBytes);
        Assert.Equal(2 * Rows * 2 * config.HiddenSize, work.Units[0].ElementBytes);
        Assert.Equal(2 * work.Units[1].ElementBytes, ModelWorkload.Create(ModelLayout.Create(config), ComputeType.Float32, 32, 2, 1, 512, 1 << 21).Units[1].ElementBytes);
    }

    [Fact]
    public void Create_ElementBytesOnAGpu_CountsItsKernels()
    {
        DecoderConfig config = SmallLlama.Config;
        const double Rows = 2 * 32;
        UnitShape[] units = [.. OnGpu(config).Units];
        double query = config.NumHeads * config.HeadSize;
        double key = config.NumKeyValueHeads * config.HeadSize;
        double hidden = config.HiddenSize;
        double intermediate = config.IntermediateSize;

        // Norms, rotation, activation; their gradients, and what attention's are packed with.
        double forward = (2 * 2 * hidden) + (2 * (query + key)) + (3 * intermediate);
        double backward = (2 * 5 * hidden) + (6 * intermediate) + (2 * (query + (2 * key)));
        Assert.Equal(2 * Rows * (forward + backward) / 3, units[1].ElementBytes, 1e-6);
        Assert.Equal(2 * Rows * ((5 * hidden) + (2 * config.VocabularySize)), units[^1].ElementBytes);
        Assert.Equal(2 * Rows * 2 * hidden, units[0].ElementBytes);
    }

    [Fact]
    public void Create_ElementBytesOnAGpu_HeadNormsAndBiasesCountTheirs()
    {
        DecoderConfig config = SmallLlama.Config;
        const double RowBytes = 2 * 32 * 2;
        double query = config.NumHeads * config.HeadSize;
        double key = config.NumKeyValueHeads * config.HeadSize;
        double plain = OnGpu(config).Units[1].ElementBytes;

        // Kept as they were and normed; the gradient in place beside what was given. Sums of columns.
        Assert.Equal(RowBytes * 7 * (query + key) / 3, OnGpu(config with { QueryKeyNorm = true }).Units[1].ElementBytes - plain, 1e-6);
        Assert.Equal(
            RowBytes * ((query + (2 * key)) + (2 * config.HiddenSize) + (2 * config.IntermediateSize)) / 3,
            OnGpu(config with { QueryKeyValueBias = true, AttentionOutputBias = true, MlpBias = true }).Units[1].ElementBytes - plain, 1e-6);
    }

    [Fact]
    public void Create_ElementBytesOnAGpu_AreFewerThanOnTheCpu()
    {
        DecoderConfig config = CudaProbeModel.Config(headSize: 128);
        ModelLayout layout = ModelLayout.Create(config);
        var sizes = new ActivationSizes(config, ComputeType.BFloat16, new BatchShape(CudaProbeModel.Sequences, CudaProbeModel.Tokens));

        Assert.True(OnGpu(config).Units[1].ElementBytes < ModelWorkload.Create(layout, ComputeType.BFloat16, 32, 2, 1, 512, 1 << 21).Units[1].ElementBytes);

        // Plans take the backward's for twice the forward's: so it is for the model that rates are measured with.
        Assert.Equal(2, CudaLayerTraffic.BackwardElements(config, sizes) / CudaLayerTraffic.ForwardElements(config, sizes), 0.01);
    }

    private static Workload OnGpu(DecoderConfig config) => ModelWorkload.Create(ModelLayout.Create(config), ComputeType.BFloat16, 32, 2, 1, 512, 1 << 21, ComputeDevice.Cuda);

    private static void AssertFlops(ModelLayout layout, Workload work, double numTokens, int sequenceTokens)
    {
        double flops = work.NumMicroBatches * work.Units.Sum(unit => (unit.Role == UnitRole.Head ? 1 : 3) * (unit.Flops + unit.AttentionFlops));
        double expected = numTokens * ResidentPlanner.Profile(layout).FlopsPerToken(sequenceTokens);
        Assert.Equal(1, flops / expected, 1e-12);
    }
}
