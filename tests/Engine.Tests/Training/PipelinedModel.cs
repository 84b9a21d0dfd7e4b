using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Training;
using Offload.Storage.States;

namespace Offload.Engine.Tests.Training;

/// <summary>
/// A resident model whose steps overlap as those of a swapped one may: they are made on a thread of their own, a step ends before its update is
/// made, and is committed while the next one computes.
/// </summary>
internal sealed class PipelinedModel : ITrainingModel
{
    private readonly ResidentModel _model;
    private readonly StoreCheckpoint? _checkpoint;
    private readonly Script _script;
    private readonly BlockingCollection<StepWork> _begun = [];
    private readonly object _lock = new();
    private readonly Thread _worker;
    private readonly int _numThreads;
    private Thread? _commit;
    private ExceptionDispatchInfo? _error;
    private int _numBegun;
    private long _numDecided;
    private long _numMade;
    private IStepDecider? _decider;
    private long _last = -1;

    private PipelinedModel(RunPreflight run, StateStore store, ParallelRanges threads, Script script)
    {
        _script = script;
        _numThreads = run.Numerics.ComputeThreads;
        _model = new ResidentModel(run.Base.Layout, run.Numerics, threads, createStates: run.Store.IsOnDrives ? units => new StoreStates(run.Base.Layout, units, threads, store) : null);
        _checkpoint = _model.States is ResidentStates resident ? new StoreCheckpoint(resident, store) : null;
        _worker = new Thread(Work) { IsBackground = true, Name = "pipelined model" };
        _worker.Start();
    }

    public ModelLayout Layout => _model.Layout;

    public bool IsDurable => _script.IsDurable;

    public int MaxBegun => 2;

    public bool IsWhole
    {
        get
        {
            lock (_lock)
            {
                return _error is null;
            }
        }
    }

    /// <summary>What is to happen, and what did.</summary>
    /// <param name="IsDurable">Steps commit themselves.</param>
    /// <param name="Fault">Called on the thread and at the place where something may go wrong, with the step.</param>
    /// <param name="EndsAfterCommit">The thread that trains is told of a step only when it is committed.</param>
    public sealed record Script(bool IsDurable, Action<string, long>? Fault = null, bool EndsAfterCommit = false)
    {
        /// <summary>Calls of the thread that trains, in order.</summary>
        public List<string> Calls { get; } = [];

        /// <summary>Steps that committed, in order.</summary>
        public List<long> Commits { get; } = [];

        public TrainingOptions Of(TrainingOptions options) => options with { CreateModel = Create };

        private RunModel Create(RunPreflight run, TrainingOptions options, StateStore store, ParallelRanges threads)
        {
            var pipelined = new PipelinedModel(run, store, threads, this);
            return new RunModel(pipelined, pipelined._model, pipelined._checkpoint ?? (IStoredStates)pipelined._model.States);
        }
    }

    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default)
    {
        RequireComplete();
        _model.ReadMasters(ranges, chunk, cancellation);
    }

    public double Evaluate(IEnumerable<MicroBatch> batches)
    {
        RequireComplete();
        _script.Calls.Add("evaluate");
        return _model.Evaluate(batches);
    }

    public void Begin(StepWork work)
    {
        _script.Calls.Add($"begin {work.Step}");
        Assert.True(_numBegun < MaxBegun);
        _script.Fault?.Invoke("begin", work.Step);
        Rethrow();
        _numBegun++;
        _last = work.Step;
        _decider = work.Decider;
        _begun.Add(work);
    }

    public void End()
    {
        _script.Calls.Add("end");
        Assert.True(_numBegun > 0);
        long step = _last + 1 - _numBegun;
        Wait(() => _numDecided > step);
        _numBegun--;
        _script.Fault?.Invoke("end", step);
    }

    public void Complete()
    {
        Assert.Equal(0, _numBegun);
        _script.Calls.Add("complete");
        Wait(() => _decider is null || _numMade > _last);
        _commit?.Join();
        Rethrow();
        if (IsDurable)
        {
            _decider?.Commit(_last);
        }
    }

    public void Dispose()
    {
        _begun.CompleteAdding();
        _worker.Join();
        _commit?.Join();
        _checkpoint?.Dispose();
        _model.Dispose();
        _begun.Dispose();
    }

    /// <summary>Waits until something is so that <see cref="_lock"/> guards, or the model has failed.</summary>
    private void Wait(Func<bool> condition)
    {
        lock (_lock)
        {
            while (!condition())
            {
                _error?.Throw();
                Monitor.Wait(_lock);
            }
        }
    }

    private void Tell(ref long count, long value)
    {
        lock (_lock)
        {
            count = value;
            Monitor.PulseAll(_lock);
        }
    }

    private void RequireComplete() => Assert.True(_numBegun == 0 && (_decider is null || _numMade > _last));

    private void Rethrow()
    {
        lock (_lock)
        {
            _error?.Throw();
        }
    }

    private void Work()
    {
        ComputeThreads.Set(_numThreads);
        foreach (StepWork work in _begun.GetConsumingEnumerable())
        {
            Run(() => Make(work));
        }
    }

    private void Make(StepWork work)
    {
        _script.Fault?.Invoke("compute", work.Step);
        StepGradients gradients = _model.ComputeGradients(work.Batches);
        UpdateStep? update = work.Decider.Decide(work.Step, gradients);
        if (!_script.EndsAfterCommit)
        {
            Tell(ref _numDecided, work.Step + 1);
        }

        _commit?.Join();
        Rethrow();
        _script.Fault?.Invoke("update", work.Step);
        if (update is { } step)
        {
            _model.Update(step);
        }

        if (IsDurable)
        {
            _commit = new Thread(() => Run(() => Commit(work))) { IsBackground = true };
            _commit.Start();
            if (_script.EndsAfterCommit)
            {
                _commit.Join();
                Tell(ref _numDecided, work.Step + 1);
            }
        }

        Tell(ref _numMade, work.Step + 1);
    }

    private void Commit(StepWork work)
    {
        if (work.Decider.CommitIsDue(work.Step))
        {
            _script.Fault?.Invoke("commit", work.Step);
            work.Decider.Commit(work.Step);
            _script.Commits.Add(work.Step);
            _script.Fault?.Invoke("committed", work.Step);
        }
    }

    private void Run(Action work)
    {
        if (!IsWhole)
        {
            return;
        }

        try
        {
            work();
        }
        catch (Exception error)
        {
            lock (_lock)
            {
                _error ??= ExceptionDispatchInfo.Capture(error);
                Monitor.PulseAll(_lock);
            }
        }
    }
}
