using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Profiles.Tracing;
using Offload.Storage.Devices;
using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Costs;
using Offload.Swap.Schedules;

namespace Offload.Engine.Profiling;

/// <summary>Predicts a step, and compares it with the measured ones. One thread.</summary>
internal sealed class StepProfileReport
{
    private readonly StepProfileOptions _options;
    private readonly TrainingOptions _training;
    private readonly ModelLayout _layout;
    private readonly SwappedRun _swapped;
    private readonly HardwareProfile _hardware;
    private readonly StepSchedule _schedule;
    private readonly StepTrace _predicted;

    /// <param name="options">What is measured.</param>
    /// <param name="training">The set-up, in its own folders.</param>
    /// <param name="layout">The model.</param>
    /// <param name="swapped">How it is swapped.</param>
    /// <param name="isOnDrives">Whether states are on drives.</param>
    /// <exception cref="UsageException">The plan needs drives, and the hardware profile has none.</exception>
    public StepProfileReport(StepProfileOptions options, TrainingOptions training, ModelLayout layout, SwappedRun swapped, bool isOnDrives)
    {
        _options = options;
        _training = training;
        _layout = layout;
        _swapped = swapped;
        _hardware = SwappedRun.HardwareOf(training, swapped.Numerics.Device == ComputeDevice.Cuda ? CudaHost.Get(training.GpuOrdinal) : null, swapped.GpuBytes, swapped.CpuBytes, isOnDrives);
        if (swapped.Plan.IsDurable && _hardware.Ssd is null)
        {
            throw new UsageException($"--hardware: the hardware '{_hardware.Name}' has no drives, and the plan needs them", "'offload profile hardware --nvme DIR' measures them");
        }

        _schedule = SwapSchedules.Train(swapped.Work, swapped.Plan);
        _predicted = Traces.FromSimulation(
            _schedule, new CostModel(_hardware, swapped.Work, new CostOptions()).Simulate(_schedule), [.. swapped.Work.Units.Select(unit => unit.Name)]);
    }

    /// <summary>The report.</summary>
    /// <param name="model">After its steps, complete.</param>
    /// <param name="traffic">Of all steps, those of the warm-up included.</param>
    /// <param name="storeBytes">Room of the store; 0: none on drives.</param>
    public StepProfileResult Of(SwapModel model, DeviceTraffic traffic, long storeBytes)
    {
        StepTrace measured = model.TakeTrace(_options.Steps);
        double[] each = StepSeconds(measured);
        double median = Median(each);
        int numSteps = _options.WarmupSteps + _options.Steps;
        long tokens = RunSetup.SequencesPerStep(_training, _swapped.Numerics, before: null) * _swapped.Numerics.SequenceTokens;
        double flopsPerToken = ResidentPlanner.Profile(_layout).FlopsPerToken(_swapped.Numerics.SequenceTokens);
        LaneProfile[] lanes = [.. measured.Lanes.Index().Select(lane => ProfileOf(measured, lane.Index)).Where(lane => lane.Operations > 0)];
        var profile = new StepProfile
        {
            Model = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(_training.ModelFolder!))),
            NumParameters = _layout.NumParameters,
            MicroBatchSequences = _swapped.Numerics.MicroBatchSequences,
            NumMicroBatches = _swapped.Work.NumMicroBatches,
            Order = _swapped.Plan.Order.ToString(),
            Update = _swapped.Plan.Update.ToString(),
            Plan = StepProfilePlan.Of(_swapped.Work, _swapped.Plan),
            Steps = each.Length,
            StepSecondsEach = each,
            StepSeconds = median,
            TokensPerSecond = tokens / median,
            ModelTflops = tokens * flopsPerToken / median / 1e12,
            Hardware = _hardware.Name,
            IsPredictionGuessed = _training.Hardware is null,
            PredictedStepSeconds = _predicted.PeriodSeconds,
            MostDifferentLane = lanes.MaxBy(lane => Math.Abs(lane.BusySeconds - lane.PredictedBusySeconds))!.Name,
            Bottleneck = lanes.MaxBy(lane => lane.BusySeconds)!.Name,
            Lanes = lanes,
            Memory = new StepProfileMemory(
                model.PeakGpuBytes,
                _swapped.GpuBytes == long.MaxValue ? null : _swapped.GpuBytes,
                model.PeakCpuBytes,
                _swapped.CpuBytes,
                storeBytes + model.ScratchBytes,
                CpuMemory.PeakBytes()),
            SsdBytesReadPerStep = traffic.BytesRead / (double)numSteps,
            SsdBytesWrittenPerStep = traffic.BytesWritten / (double)numSteps,
        };
        return new StepProfileResult(profile, measured, _predicted);
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>From end to end; of a first step without one before it, from its own begin.</summary>
    private double[] StepSeconds(StepTrace trace)
    {
        IEnumerable<double> from = trace.PeriodEndSeconds.Prepend(0);
        return [.. trace.PeriodEndSeconds.Zip(from, (end, begin) => end - begin).TakeLast(_options.Steps)];
    }

    private LaneProfile ProfileOf(StepTrace measured, int lane)
    {
        // Of all operations, the ones that a rate can be told of: not those of which nobody knows whether they ran.
        bool isCompute = lane == (int)Lane.Compute;
        long firstMeasured = measured.Operations.Max(operation => operation.Period) - _options.Steps + 1;
        double amount = 0;
        double seconds = 0;
        foreach (TraceOperation operation in measured.Operations.Where(operation => operation.Lane == lane && operation.Period >= firstMeasured))
        {
            double done = isCompute ? operation.Flops : operation.Amount;
            if (done > 0 && _schedule.Operations[operation.Index].Guard == Guard.None)
            {
                amount += done / _options.Steps;
                seconds += (operation.EndSeconds - operation.StartSeconds) / _options.Steps;
            }
        }

        LaneSummary summary = measured.Summaries[lane];
        return new LaneProfile(
            summary.Name,
            _schedule.Operations.Count(operation => (int)operation.Lane == lane),
            summary.BusySeconds,
            Math.Max(0, measured.PeriodSeconds - summary.BusySeconds),
            summary.IdleSeconds,
            (Lane)lane switch { Lane.Compute => "FLOP", Lane.CpuUpdate => "parameters", _ => "bytes" },
            amount,
            seconds > 0 ? amount / seconds / (isCompute ? 1e12 : 1e9) : null,
            ProfileRate((Lane)lane),
            _predicted.Summaries[lane].BusySeconds);
    }

    private double? ProfileRate(Lane lane) => lane switch
    {
        Lane.Compute => _hardware.Gpu.MatmulTflops,
        Lane.H2D => _hardware.Gpu.H2dGBps,
        Lane.D2H => _hardware.Gpu.D2hGBps,
        Lane.SsdRead => _hardware.Ssd?.ReadGBps,
        Lane.SsdWrite => _hardware.Ssd?.WriteGBps,
        Lane.CpuUpdate => _hardware.Cpu.AdamGParamsPerSecond,
        _ => null,
    };
}
