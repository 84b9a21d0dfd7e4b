using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Swapping;
using Offload.Storage.Memory;

namespace Offload.Engine.Tests.Swapping;

/// <summary>The comparison that a GPU is held to: the CPU against itself.</summary>
[Collection(nameof(ProcessWide))]
public sealed class UnitComparisonTests
{
    public static TheoryData<int, ComputeType> Models()
    {
        var data = new TheoryData<int, ComputeType>();
        for (int model = 1; model < UnitCheckModels.All.Count; model++)
        {
            data.Add(model, ComputeType.Float32);
            data.Add(model, ComputeType.BFloat16);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Run_CpuAgainstCpu_FindsNoError(int model, ComputeType type)
    {
        using var cpu = new CpuSwapDevice(computeThreads: 2);
        using var threads = new ParallelRanges(2);
        var device = new UnitCheckDevice(cpu, new MemoryLimit(1L << 30), (layout, numerics) => new UnitCompute(layout, numerics, threads), () => { });

        using var comparison = new UnitComparison(device, UnitCheckModels.All[model].Config, type, seed: 3);
        comparison.Run(policies: 4);

        Assert.Equal((0, 0), comparison.Errors.Largest);
        Assert.Empty(comparison.Errors.OtherBits);
        Assert.True(comparison.Errors.ByOperation.Count > 10);
    }

    [Fact]
    public void Run_AnotherModel_FindsErrors()
    {
        using var cpu = new CpuSwapDevice(computeThreads: 2);
        using var threads = new ParallelRanges(2);
        var device = new UnitCheckDevice(
            cpu, new MemoryLimit(1L << 30), (layout, numerics) => new UnitCompute(ModelLayout.Create(layout.Config with { NormEpsilon = 0.1 }), numerics, threads), () => { });

        using var comparison = new UnitComparison(device, UnitCheckModels.All[3].Config, ComputeType.Float32, seed: 3);
        comparison.Run(policies: 1);

        Assert.True(comparison.Errors.ByOperation["layer forward"].Rms > 1e-3);
        Assert.True(comparison.Errors.ByOperation["head gradient"].Rms > 1e-3);
    }
}
