using System.Diagnostics;
using FsCheck.Xunit;
using Offload.Profiles;
using Offload.Swap.Checking;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning.Search;

public sealed class PlannerTests(ITestOutputHelper output)
{
    [Fact]
    public void Plan_SmallModel_IsResident()
    {
        PlannedStep step = Planner.Plan(DenseModel.Request(numLayers: 4, hidden: 1024, cpuGiB: 64, hasDrives: true)).Require();

        Assert.All(step.Plan.Units, unit => Assert.Equal((Tier.Gpu, Tier.Gpu), (unit.Weights, unit.States)));
        Assert.False(step.Plan.IsDurable);
        Assert.Equal(Lane.Compute, step.Predicted.Bottleneck);
        Assert.Equal(0, step.Predicted.SsdReadBytes + step.Predicted.SsdWrittenBytes);
    }

    [Fact]
    public void Plan_ModelOfMemorySize_KeepsItsStatesInMemory()
    {
        PlannedStep step = Planner.Plan(DenseModel.Request(numLayers: 32, hidden: 4096, cpuGiB: 200, hasDrives: true)).Require();

        Assert.DoesNotContain(step.Plan.Units, unit => unit.States == Tier.Nvme);
        Assert.False(step.Plan.IsDurable);
        Assert.Equal(0, step.StoreGenerations);
        output.WriteLine($"{step.Predicted.StepSeconds:F2} s, {step.Predicted.ModelTflops:F1} of {step.Predicted.HardwareTflops:F1} TFLOP/s, {step.Plan.Update}");
    }

    [Fact]
    public void Plan_StatesOnDrives_WritesAllReadsThoseOnly()
    {
        PlannedStep step = Planner.Plan(DenseModel.Request(numLayers: 32, hidden: 4096, cpuGiB: 64, hasDrives: true)).Require();

        long numParameters = step.Work.Units.Sum(unit => unit.NumParameters);
        long numOnDrives = step.Work.Units.Zip(step.Plan.Units).Where(pair => pair.Second.States == Tier.Nvme).Sum(pair => pair.First.NumParameters);
        long BytesOf(OperationKind kind) => SwapSchedules.Train(step.Work, step.Plan).Operations.Where(operation => operation.Kind == kind && operation.Guard == Guard.None).Sum(operation => operation.Amount);
        Assert.Equal(12 * numParameters, BytesOf(OperationKind.WriteStates));
        Assert.Equal(12 * numOnDrives, BytesOf(OperationKind.ReadStates));
        Assert.InRange(step.Predicted.SsdWrittenBytes, 12 * numParameters, long.MaxValue);
        Assert.InRange(step.Predicted.SsdReadBytes, 12 * numOnDrives, long.MaxValue);
        Assert.InRange(numOnDrives, 1, numParameters);
        Assert.Equal(step.Plan.IsDurable, step.StoreGenerations > 0);
        Assert.InRange(step.Predicted.DriveLifeDays!.Value, 0.1, 10_000);
    }

    [Fact]
    public void Plan_TooLittleMemoryWithoutDrives_SaysWhatIsShortAndWhatWouldFit()
    {
        PlanRequest request = DenseModel.Request(numLayers: 32, hidden: 4096, cpuGiB: 64, hasDrives: false);

        PlanResult result = Planner.Plan(request);

        Assert.False(result.IsFeasible);
        PlanShortfall shortfall = Assert.Single(result.Shortfalls);
        Assert.Equal(Tier.Cpu, shortfall.Tier);
        Assert.Contains("CPU memory", result.Reasons[0], StringComparison.Ordinal);
        Assert.Contains(result.Reasons, reason => reason.Contains("--nvme", StringComparison.Ordinal));
        string option = Assert.Single(result.Reasons, reason => reason.Contains("--cpu-memory", StringComparison.Ordinal));
        long gibibytes = long.Parse(option.Split(' ')[^1].Replace("GiB", "", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(Planner.Plan(request with { CpuBudgetBytes = gibibytes * DenseModel.Gibi }).IsFeasible);
        output.WriteLine(string.Join(Environment.NewLine, result.Reasons));
    }

    [Fact]
    public void Plan_FixedMicroBatchTooLarge_SaysThatASmallerOneFits()
    {
        PlanRequest request = DenseModel.Request(numLayers: 32, hidden: 4096, cpuGiB: 64, hasDrives: true, gpuGiB: 12);

        PlanResult result = Planner.Plan(request with { Choices = new PlanChoices { MicroBatchSequences = 64 } });

        Assert.False(result.IsFeasible);
        Assert.Contains(result.Reasons, reason => reason.Contains("--micro-batch 1", StringComparison.Ordinal));
        Assert.True(Planner.Plan(request).IsFeasible);
    }

    [Fact]
    public void Plan_MicroBatchThatDoesNotDivide_IsRefused() => Assert.Throws<UsageException>(
        () => Planner.Plan(DenseModel.Request(4, 1024, 64, hasDrives: true) with { Choices = new PlanChoices { MicroBatchSequences = 3 } }));

    [Theory]
    [InlineData(Tier.Cpu)]
    [InlineData(Tier.Nvme)]
    public void Plan_StatesPinned_AreAllThere(Tier tier)
    {
        PlanRequest request = DenseModel.Request(numLayers: 6, hidden: 2048, cpuGiB: 64, hasDrives: true);

        PlannedStep step = Planner.Plan(request with { Choices = new PlanChoices { States = tier } }).Require();

        Assert.All(step.Plan.Units, unit => Assert.Equal(tier, unit.States));
    }

    [Fact]
    public void Plan_FuyouWithoutDrives_IsRefused() => Assert.Throws<UsageException>(
        () => Planner.Plan(DenseModel.Request(4, 1024, 64, hasDrives: false) with { Choices = new PlanChoices { Order = StepOrder.Fuyou } }));

    [Theory]
    [InlineData(StepOrder.MicroBatchMajor)]
    [InlineData(StepOrder.Fuyou)]
    [InlineData(StepOrder.ZeroInfinity)]
    public void Plan_OtherOrders_AreNoFasterThanLayerMajor(StepOrder order)
    {
        PlanRequest request = DenseModel.Request(numLayers: 16, hidden: 4096, cpuGiB: 64, hasDrives: true);

        PlannedStep other = Planner.Plan(request with { Choices = new PlanChoices { Order = order } }).Require();
        PlannedStep layerMajor = Planner.Plan(request).Require();

        Assert.Equal(order, other.Plan.Order);
        Assert.True(layerMajor.Predicted.StepSeconds <= other.Predicted.StepSeconds * 1.005);
        output.WriteLine($"{order}: {other.Predicted.StepSeconds:F1} s, layer-major {layerMajor.Predicted.StepSeconds:F1} s");
    }

    [Fact]
    public void Plan_SameRequest_SamePlan()
    {
        PlanRequest request = DenseModel.Request(numLayers: 24, hidden: 2048, cpuGiB: 12, hasDrives: true);

        Assert.Equal(PlanKey.Of(Planner.Plan(request).Require().Plan), PlanKey.Of(Planner.Plan(request).Require().Plan));
    }

    [Fact]
    public void Evaluate_ItsOwnPlan_PredictsTheSame()
    {
        PlanRequest request = DenseModel.Request(numLayers: 24, hidden: 2048, cpuGiB: 12, hasDrives: true);
        PlannedStep step = Planner.Plan(request).Require();

        PlannedStep again = Planner.Evaluate(request, step.Plan, step.MicroBatchSequences).Require();

        Assert.Equal(step.Predicted.StepSeconds, again.Predicted.StepSeconds);
        Assert.Equal(step.Memory, again.Memory);
        Assert.False(Planner.Evaluate(request with { CpuBudgetBytes = DenseModel.Gibi }, step.Plan, step.MicroBatchSequences).IsFeasible);
    }

    [Property(MaxTest = 12)]
    public void Plan_AnyBudgets_KeepsThemWithAProvenSchedule(int seed)
    {
        var random = new Random(seed);
        PlanRequest request = DenseModel.Request(random.Next(2, 20), 1024, 0.5 + (12 * random.NextDouble()), random.Next(3) > 0, 2 + (6 * random.NextDouble()))
            with
        { Choices = new PlanChoices { Order = (StepOrder)random.Next(2), IsClipped = random.Next(2) == 0, StopsOnNan = random.Next(2) == 0, MicroBatchSequences = 1 << random.Next(4) } };

        PlanResult result = Planner.Plan(request);

        if (result.Step is not { } step)
        {
            Assert.NotEmpty(result.Reasons);
            Assert.NotEmpty(result.Shortfalls);
            return;
        }

        StepSchedule schedule = SwapSchedules.Train(step.Work, step.Plan);
        Assert.Null(ScheduleChecker.FindProblem(schedule, tier => tier switch
        {
            Tier.Gpu => request.GpuBudgetBytes - step.Work.WorkspaceBytes,
            Tier.Cpu => request.CpuBudgetBytes,
            _ => request.NvmeBudgetBytes ?? 0,
        }));
        Assert.True(step.Memory.Gpu <= request.GpuBudgetBytes && step.Memory.Cpu <= request.CpuBudgetBytes && step.Memory.Nvme <= (request.NvmeBudgetBytes ?? 0));
    }

    [Fact]
    public void Plan_80Layers_IsQuick()
    {
        PlanRequest request = DenseModel.Request(numLayers: 80, hidden: 8192, cpuGiB: 256, hasDrives: true);
        Planner.Plan(request);

        // The acceptance check "planner-speed" asks for 2 s on a machine that does nothing else; here others work beside.
        long start = Stopwatch.GetTimestamp();
        PlannedStep step = Planner.Plan(request).Require();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        output.WriteLine($"{seconds:F2} s to plan {step.Predicted.StepSeconds:F1} s: {step.Plan.Update} {step.MicroBatchSequences} {step.Predicted.Bottleneck} {step.Memory}");
        output.WriteLine(string.Join(" ", step.Predicted.Lanes.Select(lane => $"{lane.Lane} {lane.BusySeconds:F1}")));
        foreach (PlanAdvice advice in PlanAdvisor.Advise(request, step))
        {
            output.WriteLine($"{advice.Change}: -{advice.SavedFraction:P0}");
        }

        Assert.InRange(seconds, 0, 30);
    }
}
