using Offload.Profiles.Hardware;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Planning.Costs;

/// <summary>What a machine takes for each operation of a model's schedules. Immutable; any thread.</summary>
public sealed class CostModel
{
    private const int SmallSchedule = 400;
    private const double Giga = 1e9;
    private const double Tera = 1e12;

    private readonly Workload _work;
    private readonly CostOptions _options;
    private readonly double _matmulFlopsPerSecond;
    private readonly double _attentionForwardFlopsPerSecond;
    private readonly double _attentionBackwardFlopsPerSecond;
    private readonly double _gpuBytesPerSecond;
    private readonly double _h2dBytesPerSecond;
    private readonly double _d2hBytesPerSecond;
    private readonly double _readBytesPerSecond;
    private readonly double _writeBytesPerSecond;
    private readonly double _updateParametersPerSecond;
    private readonly double _cpuBytesPerSecond;

    /// <param name="hardware">Rates; what an absent one falls back to is said in docs/hardware-profiles.md.</param>
    /// <param name="work">The model: sizes that an operation does not carry.</param>
    /// <param name="options">What neither says.</param>
    public CostModel(HardwareProfile hardware, Workload work, CostOptions options)
    {
        _work = work;
        _options = options;
        GpuProfile gpu = hardware.Gpu;
        double efficiency = options.ComputeEfficiency;
        _matmulFlopsPerSecond = gpu.MatmulTflops * Tera * efficiency;
        _attentionForwardFlopsPerSecond = (gpu.AttentionForwardTflops ?? gpu.MatmulTflops) * Tera * efficiency;
        _attentionBackwardFlopsPerSecond = (gpu.AttentionBackwardTflops ?? gpu.MatmulTflops) * Tera * efficiency;
        _gpuBytesPerSecond = gpu.MemoryGBps * Giga ?? double.PositiveInfinity;
        _h2dBytesPerSecond = gpu.H2dGBps * Giga;
        _d2hBytesPerSecond = gpu.D2hGBps * Giga;
        // Without drives an operation on them would never end: a schedule that has one was not made for this machine.
        _readBytesPerSecond = (hardware.Ssd?.ReadGBps ?? 0) * Giga;
        _writeBytesPerSecond = (hardware.Ssd?.WriteGBps ?? 0) * Giga;
        _updateParametersPerSecond = hardware.Cpu.AdamGParamsPerSecond * Giga;
        // An update reads and writes the states and reads a gradient: the memory is at least as fast as that shows.
        _cpuBytesPerSecond = hardware.Cpu.MemoryGBps * Giga ?? _updateParametersPerSecond * ((2 * work.StateBytes) + work.GradientBytes);
        Shared = SharedBy(hardware);
    }

    /// <summary>How lanes slow each other down.</summary>
    public SharedRates Shared { get; }

    /// <summary>Plays a schedule of this model on this machine until its periods are steady.</summary>
    /// <exception cref="InvalidOperationException">The schedule uses a drive, and the machine has none.</exception>
    public SimulationResult Simulate(StepSchedule schedule) =>
        new Simulator(schedule, CostOf, Shared, _options.RedoneFraction).Run(NumPeriods(schedule), keepsAllPeriods: false);

    /// <summary>Periods that are played: half of them fill the pipeline. What lingers from one to the next weighs more in short ones.</summary>
    public static int NumPeriods(StepSchedule schedule) => schedule.Operations.Count < SmallSchedule ? 12 : 4;

    /// <summary>What an operation takes when no other lane is at work and its guard, if any, holds.</summary>
    /// <exception cref="InvalidOperationException">It uses a drive, and the machine has none.</exception>
    public OperationCost CostOf(Operation operation)
    {
        double seconds = WorkSeconds(operation) + _options.OperationSeconds;
        if (double.IsInfinity(seconds))
        {
            throw new InvalidOperationException($"{operation.Kind} needs drives, and the hardware profile has none");
        }

        return new OperationCost(seconds, operation.HostBytes);
    }

    /// <summary>The rates of a profile as fractions; a shared rate above the single one counts as equal to it.</summary>
    private static SharedRates SharedBy(HardwareProfile hardware) => new()
    {
        SsdReadMixed = hardware.Ssd is { } ssd ? Math.Min(1, ssd.MixedReadGBps / ssd.ReadGBps) : 1,
        SsdWriteMixed = hardware.Ssd is { } drives ? Math.Min(1, drives.MixedWriteGBps / drives.WriteGBps) : 1,
        H2DDuplex = Math.Min(1, hardware.Gpu.DuplexGBps / hardware.Gpu.H2dGBps),
        D2HDuplex = Math.Min(1, hardware.Gpu.DuplexGBps / hardware.Gpu.D2hGBps),
        HostBytesPerSecond = hardware.Cpu.MemoryGBps * Giga ?? double.PositiveInfinity,
    };

    private double WorkSeconds(in Operation operation) => operation.Kind switch
    {
        OperationKind.Forward or OperationKind.HeadLoss or OperationKind.ForwardLoss => ForwardSeconds(operation),
        OperationKind.Backward => BackwardSeconds(operation),
        // fp32 sums in, rounded gradients out.
        OperationKind.RoundGradients => Parameters(operation) * (sizeof(float) + _work.GradientBytes) / _gpuBytesPerSecond,
        OperationKind.NormOnGpu => Parameters(operation) * _work.GradientBytes / _gpuBytesPerSecond,
        // States in and out, a gradient in.
        OperationKind.UpdateOnGpu => operation.Amount * ((2.0 * _work.StateBytes) + _work.GradientBytes) / _gpuBytesPerSecond,
        OperationKind.GradientNorm => Parameters(operation) * _work.GradientBytes / _cpuBytesPerSecond,
        OperationKind.DecideStep => 0,
        OperationKind.UpdateStates => operation.Amount / _updateParametersPerSecond,
        OperationKind.Commit => _options.CommitSeconds,
        _ => operation.Amount / RateOf(operation.Lane),
    };

    private double RateOf(Lane lane) => lane switch
    {
        Lane.H2D => _h2dBytesPerSecond,
        Lane.D2H => _d2hBytesPerSecond,
        Lane.SsdRead => _readBytesPerSecond,
        Lane.SsdWrite => _writeBytesPerSecond,
        _ => throw new ArgumentOutOfRangeException(nameof(lane), lane, "carries no bytes"),
    };

    private double ForwardSeconds(in Operation operation) =>
        (operation.Flops / _matmulFlopsPerSecond)
        + (operation.AttentionFlops / _attentionForwardFlopsPerSecond)
        + (_work.Units[operation.Unit].ElementBytes / _gpuBytesPerSecond);

    private double BackwardSeconds(in Operation operation)
    {
        UnitShape unit = _work.Units[operation.Unit];
        // What is beyond the backward's own is computed again: at the forward's rate, with the forward's element-wise work.
        double ownAttentionFlops = Math.Min(operation.AttentionFlops, 2.5 * unit.AttentionFlops);
        double againFlops = Math.Max(0, operation.Flops - (2 * unit.Flops));
        double againFraction = unit.Flops > 0 ? Math.Min(1, againFlops / unit.Flops) : 0;
        return (operation.Flops / _matmulFlopsPerSecond)
            + (ownAttentionFlops / _attentionBackwardFlopsPerSecond)
            + ((operation.AttentionFlops - ownAttentionFlops) / _attentionForwardFlopsPerSecond)
            + ((2 + againFraction) * unit.ElementBytes / _gpuBytesPerSecond);
    }

    private long Parameters(in Operation operation) => _work.Units[operation.Unit].NumParameters;
}
