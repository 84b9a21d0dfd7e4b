using Offload.Profiles;
using Offload.Storage.Devices;

namespace Offload.Engine.Training;

/// <summary>
/// Turns each step that was decided into its report and its line of metrics, once: where the step ends, or where it is committed, if that is earlier,
/// since a committed step is not made again and its line must be there. Any thread.
/// </summary>
/// <param name="settings">What decides the numbers.</param>
/// <param name="metrics">The lines.</param>
/// <param name="device">The device of the states.</param>
/// <param name="flopsPerToken">Of the model.</param>
/// <param name="time">The clock of rates.</param>
internal sealed class StepRecords(RunSettings settings, RunMetrics metrics, IBlockDevice device, double flopsPerToken, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly ThroughputMeter _meter = new(time);
    private readonly Queue<StepOutcome> _decided = new();
    private readonly Queue<RecordedStep> _recorded = new();
    private DeviceTraffic _reported;

    /// <summary>The first error of a commit with the lines. The commit is made all the same, and whoever trains is told.</summary>
    private OffloadException? _error;

    private long StepTokens => settings.SequencesPerStep * settings.Numerics.SequenceTokens;

    /// <summary>Starts the clock and the counting of bytes. No step is begun.</summary>
    public void Start()
    {
        lock (_lock)
        {
            _reported = device.Traffic;
            _meter.Start();
        }
    }

    /// <summary>Takes time out of the rates that was not spent on steps.</summary>
    public void Exclude(TimeSpan pause)
    {
        lock (_lock)
        {
            _meter.Exclude(pause);
        }
    }

    /// <summary>Tokens per second since the start.</summary>
    public double AverageTokensPerSecond()
    {
        lock (_lock)
        {
            return _meter.Average();
        }
    }

    /// <summary>A step was decided.</summary>
    public void Add(StepOutcome outcome)
    {
        lock (_lock)
        {
            _decided.Enqueue(outcome);
        }
    }

    /// <summary>Writes a step's line, if that was not done, and takes its report.</summary>
    /// <param name="step">From 0; the step after the one taken last, decided.</param>
    /// <exception cref="Storage.StorageException">Writing failed, now or in a commit.</exception>
    public RecordedStep Take(long step)
    {
        lock (_lock)
        {
            ThrowFirstError();
            AppendThrough(step);
            return _recorded.Dequeue();
        }
    }

    /// <summary>Writes an evaluation's line. The steps before it are taken.</summary>
    /// <exception cref="Storage.StorageException">Writing failed.</exception>
    public void Append(EvalReport report)
    {
        lock (_lock)
        {
            metrics.Append(report);
        }
    }

    /// <summary>Makes the lines durable before a commit.</summary>
    /// <exception cref="Storage.StorageException">Flushing failed.</exception>
    public void Flush()
    {
        lock (_lock)
        {
            metrics.Flush();
        }
    }

    /// <summary>
    /// Writes the lines up to a step and makes them durable, before a commit inside a model's steps. An error is not the states': it is kept for
    /// <see cref="ThrowIfFailed"/>, and no line is written any more.
    /// </summary>
    /// <param name="step">From 0, decided.</param>
    public void WriteThrough(long step)
    {
        lock (_lock)
        {
            if (_error is not null)
            {
                return;
            }

            try
            {
                AppendThrough(step);
                metrics.Flush();
            }
            catch (OffloadException error)
            {
                _error = error;
            }
        }
    }

    /// <summary>Tells of an error of <see cref="WriteThrough"/>.</summary>
    /// <exception cref="Storage.StorageException">Writing lines failed.</exception>
    public void ThrowIfFailed()
    {
        lock (_lock)
        {
            ThrowFirstError();
        }
    }

    private void ThrowFirstError()
    {
        if (_error is not null)
        {
            throw _error;
        }
    }

    private void AppendThrough(long step)
    {
        while (_decided.TryPeek(out StepOutcome? outcome) && outcome.Step <= step)
        {
            _decided.Dequeue();
            StepReport report = Report(outcome);
            metrics.Append(report);
            _recorded.Enqueue(new RecordedStep(outcome, report));
        }
    }

    private StepReport Report(StepOutcome outcome)
    {
        double tokensPerSecond = _meter.EndStep(StepTokens);
        DeviceTraffic before = _reported;
        _reported = device.Traffic;
        return new StepReport(
            outcome.Step + 1,
            settings.Steps,
            outcome.Gradients.Loss,
            outcome.LearningRate,
            outcome.Gradients.Norm,
            tokensPerSecond,
            tokensPerSecond * flopsPerToken / 1e12,
            (settings.Steps - outcome.Step - 1) * StepTokens / tokensPerSecond,
            outcome.IsSkipped,
            _reported.BytesRead - before.BytesRead,
            _reported.BytesWritten - before.BytesWritten);
    }
}
