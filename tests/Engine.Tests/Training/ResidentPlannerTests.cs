using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage.Memory;
using Offload.Storage.Safetensors;
using Offload.Swap;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Training;

[Collection(nameof(ProcessWide))]
public class ResidentPlannerTests
{
    public static TheoryData<string> Models => ["llama", "llama3-tied", "mistral", "qwen2", "qwen3", "gpt2", "opt"];

    [Theory]
    [MemberData(nameof(Models))]
    public void Profile_Model_CountsTheCheckpointsOwnTensors(string name)
    {
        string folder = Path.Combine(GoldenFolder.Repository, name);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder);
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(folder));

        ModelProfile profile = ResidentPlanner.Profile(layout);

        Assert.Equal(checkpoint.Tensors.Values.Sum(tensor => tensor.ElementCount), profile.NumParameters);
        long layerMatrices = checkpoint.Tensors.Values
            .Where(tensor => tensor.Name.Contains("layers.", StringComparison.Ordinal) || tensor.Name.Contains(".h.", StringComparison.Ordinal))
            .Where(tensor => tensor.Shape.Length == 2).Sum(tensor => tensor.ElementCount);
        Assert.Equal(layerMatrices + ((long)layout.Config.VocabularySize * layout.Config.HiddenSize), profile.NumMatrixParameters);
    }

    [Theory]
    [InlineData("llama", ComputeType.Float32)]
    [InlineData("llama3-tied", ComputeType.Float32)]
    [InlineData("llama", ComputeType.BFloat16)]
    [InlineData("llama3-tied", ComputeType.BFloat16)]
    public void Plan_StatesWeightsAndGradients_AreWhatTheModelAllocates(string name, ComputeType type)
    {
        _ = TorchRuntime.Current;
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(Path.Combine(GoldenFolder.Repository, name)));
        var numerics = new RunNumerics { Type = type, SequenceTokens = 16, MicroBatchSequences = 2, Seed = 0, ComputeThreads = 1 };
        ResidentPlan plan = ResidentPlanner.Plan(layout, numerics, areStatesOnDrives: false, maxTileBytes: 4096);
        ResidentPlan onDrives = ResidentPlanner.Plan(layout, numerics, areStatesOnDrives: true, maxTileBytes: 4096);
        long before = NativeBuffer.OutstandingBytes;
        using var threads = new ParallelRanges(1);
        using var model = new ResidentModel(layout, numerics, threads);

        Assert.Equal(plan.StateBytes + plan.ComputeWeightBytes + plan.GradientBytes, NativeBuffer.OutstandingBytes - before);
        Assert.Equal(12 * layout.NumParameters, plan.StateBytes);
        Assert.Equal(7 * 4096, plan.TileBytes);
        Assert.Equal((type == ComputeType.BFloat16 ? 10 : 12) * layout.NumParameters, plan.TotalBytes - onDrives.TotalBytes);
        Assert.True(plan.ActivationBytes > 0);
    }

    [Fact]
    public void RequireWithin_TooSmall_SaysByHowMuch()
    {
        var plan = new ResidentPlan(12L << 30, 0, 0, 6L << 30, 2L << 30);

        plan.RequireWithin(20L << 30, "--cpu-memory");
        var error = Assert.Throws<PlanInfeasibleException>(() => plan.RequireWithin(15L << 30, "--cpu-memory"));

        Assert.Equal(ExitCode.Infeasible, error.ExitCode);
        Assert.Contains("needs 20.00 GiB", error.Message);
        Assert.Contains("--cpu-memory is 15.00 GiB: 5.00 GiB short", error.Message);
    }
}
