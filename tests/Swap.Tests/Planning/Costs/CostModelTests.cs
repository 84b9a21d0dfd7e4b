using Offload.Profiles.Hardware;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Costs;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning.Costs;

public sealed class CostModelTests
{
    private static readonly HardwareProfile Machine = new()
    {
        Name = "test",
        Gpu = new GpuProfile
        {
            MemoryGiB = 24,
            MatmulTflops = 100,
            H2dGBps = 20,
            D2hGBps = 25,
            DuplexGBps = 15,
            MemoryGBps = 1000,
            AttentionForwardTflops = 50,
            AttentionBackwardTflops = 40,
        },
        Cpu = new CpuProfile { MemoryGiB = 64, AdamGParamsPerSecond = 2, MemoryGBps = 50 },
        Ssd = new SsdProfile { ReadGBps = 6, WriteGBps = 4, MixedReadGBps = 3, MixedWriteGBps = 5 },
    };

    private static readonly Workload Work = new()
    {
        Units =
        [
            new UnitShape { Name = "embedding", Role = UnitRole.Embedding, NumParameters = 1_000_000, Flops = 0 },
            new UnitShape { Name = "layer", Role = UnitRole.Layer, NumParameters = 50_000_000, Flops = 1e12, AttentionFlops = 1e11, ElementBytes = 2e9 },
            new UnitShape { Name = "head", Role = UnitRole.Head, NumParameters = 1_000_000, Flops = 1e12 },
        ],
        NumMicroBatches = 1,
        HiddenBytes = 1,
        WeightBytes = 2,
        GradientBytes = 2,
    };

    private static readonly CostOptions Free = new() { OperationSeconds = 0, CommitSeconds = 0.01 };

    [Theory]
    [InlineData(OperationKind.LoadWeights, 2_000_000_000, 0.1)]
    [InlineData(OperationKind.SaveGradients, 2_000_000_000, 0.08)]
    [InlineData(OperationKind.ReadStates, 3_000_000_000, 0.5)]
    [InlineData(OperationKind.WriteStates, 2_000_000_000, 0.5)]
    [InlineData(OperationKind.UpdateStates, 50_000_000, 0.025)]
    [InlineData(OperationKind.UpdateOnGpu, 50_000_000, 0.0013)] // 26 bytes a parameter.
    [InlineData(OperationKind.GradientNorm, 0, 0.002)] // 2 bytes a parameter.
    [InlineData(OperationKind.RoundGradients, 0, 0.0003)] // 6 bytes a parameter.
    [InlineData(OperationKind.NormOnGpu, 0, 0.0001)]
    [InlineData(OperationKind.Commit, 0, 0.01)]
    [InlineData(OperationKind.DecideStep, 0, 0)]
    public void CostOf_Kind_FollowsItsRate(OperationKind kind, long amount, double expectedSeconds)
    {
        double seconds = new CostModel(Machine, Work, Free).CostOf(Make(kind) with { Amount = amount }).Seconds;

        Assert.Equal(expectedSeconds, seconds, 9);
    }

    [Fact]
    public void CostOf_ForwardAndBackward_AddProductsAttentionAndElementWiseWork()
    {
        var costs = new CostModel(Machine, Work, Free);

        Assert.Equal(0.01 + 0.002 + 0.002, costs.CostOf(Make(OperationKind.Forward) with { Flops = 1e12, AttentionFlops = 1e11 }).Seconds, 9);
        // Half of the forward's products and all its attention again.
        Assert.Equal(0.025 + 0.00625 + 0.002 + 0.005, costs.CostOf(Make(OperationKind.Backward) with { Flops = 2.5e12, AttentionFlops = 3.5e11 }).Seconds, 9);
    }

    [Fact]
    public void CostOf_ProfileWithoutOptionalRates_FallsBack()
    {
        HardwareProfile bare = Machine with
        {
            Gpu = Machine.Gpu with { MemoryGBps = null, AttentionForwardTflops = null, AttentionBackwardTflops = null },
            Cpu = Machine.Cpu with { MemoryGBps = null },
        };
        var costs = new CostModel(bare, Work, Free);

        Assert.Equal(0.011, costs.CostOf(Make(OperationKind.Forward) with { Flops = 1e12, AttentionFlops = 1e11 }).Seconds, 9);
        Assert.Equal(0, costs.CostOf(Make(OperationKind.RoundGradients)).Seconds);
        // The update moves 26 bytes of each of 2e9 parameters a second.
        Assert.Equal(1e8 / 52e9, costs.CostOf(Make(OperationKind.GradientNorm)).Seconds, 9);
        Assert.True(double.IsPositiveInfinity(costs.Shared.HostBytesPerSecond));
    }

    [Fact]
    public void CostOf_EveryOperation_TakesItsOverhead() =>
        Assert.Equal(30e-6, new CostModel(Machine, Work, new CostOptions()).CostOf(Make(OperationKind.DecideStep)).Seconds, 12);

    [Fact]
    public void CostOf_LessThanPeak_TakesLonger() =>
        Assert.Equal(0.02, new CostModel(Machine, Work, Free with { ComputeEfficiency = 0.5 }).CostOf(Make(OperationKind.HeadLoss) with { Unit = 2, Flops = 1e12 }).Seconds, 9);

    [Fact]
    public void CostOf_DrivesThatAreNotThere_Throws() => Assert.Throws<InvalidOperationException>(
        () => new CostModel(Machine with { Ssd = null }, Work, Free).CostOf(Make(OperationKind.ReadStates) with { Amount = 1 }));

    [Fact]
    public void Shared_Rates_AreFractionsOfTheSingleOnes()
    {
        var shared = new CostModel(Machine, Work, Free).Shared;

        Assert.Equal(0.5, shared.SsdReadMixed, 9);
        Assert.Equal(1, shared.SsdWriteMixed, 9);
        Assert.Equal(0.75, shared.H2DDuplex, 9);
        Assert.Equal(0.6, shared.D2HDuplex, 9);
        Assert.Equal(50e9, shared.HostBytesPerSecond);
    }

    private static Operation Make(OperationKind kind) => new() { Kind = kind, Unit = 1, MicroBatch = Operation.None, Tile = Operation.None };
}
