using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.States;
using Offload.Engine.Training;
using Offload.Profiles.Tracing;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// A model that trains by a plan: what does not fit on a tier passes through it, by the plan's schedules, with all lanes at work. On the CPU it gives the
/// bits of <see cref="ResidentModel"/>. One thread drives it. Owns all but the store.
/// </summary>
internal sealed unsafe class SwapModel : ITrainingModel
{
    /// <summary>
    /// What imports, hashes and exports convert in (a chunk of 4 MiB in float32 and three of at most 1 MiB), what the first gradients are rounded in,
    /// and the tokens of the steps in flight (24 bytes a token of three steps: 2 MiB for 32768 tokens).
    /// </summary>
    private const long BufferBytes = 10L << 20;

    private readonly MemoryLimit _cpuLimit;
    private readonly MemoryLimit _gpuLimit;
    private readonly ISwapDevice? _device;
    private readonly SlotMemory? _memory;
    private readonly SwapEngine? _engine;
    private readonly ScheduleExecutor? _train;
    private readonly ScheduleExecutor? _drain;
    private readonly ScheduleExecutor? _forward;
    private readonly StepRing _steps = null!;
    private readonly StepRing _drains = null!;
    private readonly StepRing _evaluations = null!;
    private readonly int _decision;
    private readonly int _numMicroBatches;
    private long _numBegun;
    private long _numEnded;
    private long _numDrains;
    private long _numEvaluations;
    private StepWork? _pending;
    private StepWork? _uncommitted;

    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="work">The model as the plan sees it.</param>
    /// <param name="plan">Where everything lives, and when it moves.</param>
    /// <param name="store">The states' store; borrowed, and disposed after this.</param>
    /// <param name="options">How it runs.</param>
    /// <exception cref="MemoryLimitException">A budget, or the system, has no such room.</exception>
    public SwapModel(ModelLayout layout, RunNumerics numerics, Workload work, SwapPlan plan, StateStore store, SwapModelOptions options)
    {
        AllocatorSettings.KeepNothing();
        Layout = layout;
        IsDurable = plan.IsDurable;
        _numMicroBatches = work.NumMicroBatches;
        _cpuLimit = new MemoryLimit(options.CpuBytes, "CPU memory", "Raise --cpu-memory.");
        _gpuLimit = new MemoryLimit(options.GpuBytes, "GPU memory", "Raise --gpu-memory.");
        _ = _cpuLimit.Reserve(BufferBytes, "buffers");
        Schedule = SwapSchedules.Train(work, plan);
        StepSchedule forward = SwapSchedules.Forward(work, plan);
        StepSchedule drain = SwapSchedules.Drain(work, plan);
        _decision = Schedule.Operations.ToList().FindIndex(operation => operation.Kind == OperationKind.DecideStep);
        try
        {
            _device = options.CreateDevice?.Invoke() ?? new CpuSwapDevice(numerics.ComputeThreads, options.H2dBytesPerSecond, options.D2hBytesPerSecond);
            _ = _gpuLimit.Reserve(_device.OverheadBytes, "the device's own");
            _ = _cpuLimit.Reserve(_device.IsSeparate ? StagedBytes((long)_numMicroBatches * numerics.MicroBatchSequences * numerics.SequenceTokens) : 0, "staged batches");
            int rows = numerics.MicroBatchSequences * numerics.SequenceTokens;
            _steps = new StepRing(layout.Units.Count, _numMicroBatches, rows, _device);
            _drains = new StepRing(layout.Units.Count, _numMicroBatches, rows: 0, _device);
            _evaluations = new StepRing(layout.Units.Count, _numMicroBatches, rows, _device);
            _memory = new SlotMemory([Schedule, forward, drain], _cpuLimit, _gpuLimit, _device, plan.IsDurable ? store.Device : null);
            _engine = new SwapEngine(layout, numerics, plan, store, _device, _gpuLimit, options);
            if (_memory.ScratchBytes > 0)
            {
                _engine.Scratch = ScratchFile.Create(options.ScratchFolders, _memory.ScratchBytes, wrap: options.WrapScratch);
            }

            States = new SwapStates(_engine, _memory.Of(Schedule), _cpuLimit);
            var executorOptions = new ExecutorOptions
            {
                IsSequential = options.IsSequential,
                MaxTracePeriods = options.MaxTracePeriods,
                OnLaneStart = _ => _device.PrepareThread(),
            };
            _train = Execute(Schedule, _steps, options.BeforeOperation, executorOptions);
            _forward = Execute(forward, _evaluations, options.BeforeOperation, executorOptions with { MaxTracePeriods = 0 });
            _drain = drain.Operations.Count == 0 ? null : Execute(drain, _drains, options.BeforeOperation, executorOptions with { MaxTracePeriods = 0 });
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ModelLayout Layout { get; }

    /// <inheritdoc/>
    public bool IsDurable { get; }

    /// <inheritdoc/>
    public int MaxBegun => 2;

    /// <inheritdoc/>
    public bool IsWhole { get; private set; } = true;

    /// <summary>The schedule of a training step.</summary>
    public StepSchedule Schedule { get; }

    /// <summary>Masters and moments, while no step is at work.</summary>
    public SwapStates States { get; } = null!;

    /// <inheritdoc/>
    public long PeakGpuBytes => _device!.SamplePeakBytes() ?? _gpuLimit.HighWaterBytes;

    /// <summary>Most CPU memory that was held at once.</summary>
    public long PeakCpuBytes => _cpuLimit.HighWaterBytes;

    /// <summary>CPU memory that is needed beside a plan's slots: tiles on their way in an import, or read for a hash or an export; and buffers.</summary>
    /// <param name="description">What the store holds.</param>
    public static long BesideBytes(StoreDescription description) => BesideBytes(StoreGeometry.Of(description).MaxTileBytes);

    /// <summary>The same before there is a store.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="tileParameters">Parameters of a tile.</param>
    public static long BesideBytes(ModelLayout layout, long tileParameters)
    {
        long largest = Math.Min(tileParameters, layout.Units.Max(unit => unit.Count));

        // Each of the four parts is padded by less than a page.
        return BesideBytes((largest * AdamWParts.BytesPerParameter) + (4 * NativeBuffer.AlignmentBytes));
    }

    /// <summary>The same of a device that reads batches by itself: steps and evaluations have places for them, and what they are sorted in.</summary>
    /// <param name="stepTokens">Tokens of a step.</param>
    public static long StagedBytes(long stepTokens) => checked(2 * StepRing.Length * stepTokens * (StagedBatch.IntsPerRow + 1) * sizeof(int));

    private static long BesideBytes(long maxTileBytes) => checked((Math.Max(TileRing.NumSlots, StoreMasters.Lookahead + 1) * maxTileBytes) + BufferBytes);

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default) =>
        States.ReadMasters(ranges, chunk, cancellation);

    /// <inheritdoc/>
    public void Begin(StepWork work)
    {
        long period = _numBegun;
        if (period - _numEnded >= MaxBegun)
        {
            throw new InvalidOperationException($"{MaxBegun} steps are begun and not ended");
        }

        Guarded(() =>
        {
            if (period >= StepRing.Length)
            {
                // Its place is about to be taken.
                _train!.Wait(period - StepRing.Length);
            }

            _steps[period].Begin(work, _pending);
            _pending = _drain is null ? null : work;
            _uncommitted = work;
            _numBegun++;
            _train!.Release();
        });
    }

    /// <inheritdoc/>
    public void End()
    {
        if (_numEnded == _numBegun)
        {
            throw new InvalidOperationException("no step is begun");
        }

        Guarded(() => _train!.WaitFor(_decision, _numEnded));
        _ = _device!.SamplePeakBytes();
        _numEnded++;
    }

    /// <inheritdoc/>
    public void Complete() => Guarded(() =>
    {
        _train!.Drain();
        if (_pending is { } pending)
        {
            _pending = null;
            _drains[_numDrains].BeginDrain(pending);
            _drain!.Release();
            _numDrains++;
            _drain.Drain();
        }

        if (IsDurable && _uncommitted is { } last)
        {
            // What stays in memory may be newer than the store between two commits.
            _uncommitted = null;
            States.WriteDirty();
            last.Decider.Commit(last.Step);
        }
    });

    /// <inheritdoc/>
    public double Evaluate(IEnumerable<MicroBatch> batches)
    {
        Complete();
        double loss = 0;
        long numCounted = 0;
        long ended = _numEvaluations;
        try
        {
            foreach (MicroBatch[] group in batches.Chunk(_numMicroBatches))
            {
                _evaluations[_numEvaluations].Begin(group);
                _forward!.Release();
                _numEvaluations++;

                // One group computes while the next one's data is read.
                if (_numEvaluations - ended > 1)
                {
                    Collect(ended++);
                }
            }

            while (ended < _numEvaluations)
            {
                Collect(ended++);
            }
        }
        catch
        {
            EndEvaluation();
            throw;
        }

        return loss / numCounted;

        void Collect(long period)
        {
            _forward!.Wait(period);
            StepInFlight step = _evaluations[period];
            for (int microBatch = 0; microBatch < _numMicroBatches; microBatch++)
            {
                if (step.Batch(microBatch) is { } batch)
                {
                    loss += step.Losses[microBatch];
                    numCounted += batch.Batch.NumCounted;
                }
            }
        }
    }

    /// <summary>Bytes that moved to and from the drives so far: of the states' store, and what waits there in between.</summary>
    public DeviceTraffic DriveTraffic
    {
        get
        {
            DeviceTraffic store = _engine!.Store.Device.Traffic;
            DeviceTraffic scratch = _engine.Scratch?.Traffic ?? default;
            return new DeviceTraffic(store.BytesRead + scratch.BytesRead, store.BytesWritten + scratch.BytesWritten, store.Flushes + scratch.Flushes);
        }
    }

    /// <summary>Room on drives beside the store.</summary>
    public long ScratchBytes => _memory!.ScratchBytes;

    /// <summary>What the lanes did in the last steps.</summary>
    /// <param name="numSteady">The last steps, so many of which count as steady; null: the second half.</param>
    public StepTrace TakeTrace(int? numSteady = null) => _train!.TakeTrace([.. Layout.Units.Select(unit => unit.Name)], numSteady);

    /// <summary>Ends what is at work, whatever becomes of it, and frees everything.</summary>
    public void Dispose()
    {
        _train?.Dispose();
        _drain?.Dispose();
        _forward?.Dispose();
        States?.Dispose();
        _engine?.Dispose();
        _memory?.Dispose();
        _steps?.Dispose();
        _drains?.Dispose();
        _evaluations?.Dispose();
        _device?.Dispose();
    }

    /// <summary>After an error in an evaluation: its lanes come to rest, as they use the memory and the compute of steps. The first error is on its way up.</summary>
    private void EndEvaluation()
    {
        try
        {
            _forward!.Drain();
        }
        catch (Exception)
        {
            // A lane's own: no evaluation is possible any more, and each tells that error again. Others may still be in an operation.
            _forward!.Dispose();
        }
    }

    /// <summary>Whatever fails inside a step leaves the states between two steps.</summary>
    private void Guarded(Action work)
    {
        try
        {
            work();
        }
        catch
        {
            IsWhole = false;
            throw;
        }
    }

    private ScheduleExecutor Execute(StepSchedule schedule, StepRing steps, Action<Operation, long>? before, ExecutorOptions options) =>
        new(schedule, new OperationRunner(_memory!.Of(schedule), _engine!, steps, before), options with { Devices = _device!.CreateLanes() });
}
