using Offload.Engine.Compute;
using Offload.Engine.Optimizers;
using Offload.Engine.Training;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// What the lanes know of one period: a step's micro-batches, and what came of them. The order of the operations decides who may read and write
/// it when; it is used again for a later period.
/// </summary>
internal sealed unsafe class StepInFlight
{
    private readonly Lock _lock = new();
    private readonly StagedBatch[] _batches;
    private readonly int _numMicroBatches;
    private int _numBatches;
    private UpdateStep? _anticipated;

    /// <param name="memory">Where numbers are; borrowed.</param>
    /// <param name="period">Its place there.</param>
    public StepInFlight(StepMemory memory, int period)
    {
        _numMicroBatches = memory.NumMicroBatches;
        _batches = [.. Enumerable.Range(0, _numMicroBatches).Select(microBatch => memory.Batch(period, microBatch))];
        Losses = memory.Losses(period);
        SumsOfSquares = memory.SumsOfSquares(period);
    }

    /// <summary>What is asked; null in an evaluation and in a drain.</summary>
    public StepWork? Work { get; private set; }

    /// <summary>The step before, if some of its updates are left to this period; null: nothing is left.</summary>
    public StepWork? Before { get; private set; }

    /// <summary>Tokens that count in the loss.</summary>
    public long NumCounted { get; private set; }

    /// <summary>What the loss's gradient is multiplied by: 1 / <see cref="NumCounted"/>.</summary>
    public float GradScale => (float)(1.0 / NumCounted);

    /// <summary>By micro-batch: its loss, 0 until it is known.</summary>
    public double* Losses { get; }

    /// <summary>By unit: sum of squares of its rounded gradients.</summary>
    public double* SumsOfSquares { get; }

    /// <summary>Sum of the losses, micro-batches in order.</summary>
    public double Loss
    {
        get
        {
            double loss = 0;
            for (int microBatch = 0; microBatch < _numMicroBatches; microBatch++)
            {
                loss += Losses[microBatch];
            }

            return loss;
        }
    }

    /// <summary>Once the step is decided.</summary>
    public StepGradients Gradients { get; set; }

    /// <summary>Begins a period.</summary>
    /// <param name="work">The step.</param>
    /// <param name="before">The step that has left updates to this period; null: none has.</param>
    public void Begin(StepWork work, StepWork? before)
    {
        Begin(work.Batches);
        Work = work;
        Before = before;
        _anticipated = null;
    }

    /// <summary>
    /// The step's update if it is neither clipped nor skipped. Asked for while it is not decided, or once it was asked for then; from any lane.
    /// </summary>
    public UpdateStep Anticipate()
    {
        lock (_lock)
        {
            return _anticipated ??= Work!.Decider.Unclipped(Work.Step);
        }
    }

    /// <summary>Begins a period that only applies what waits.</summary>
    /// <param name="before">The step that has left updates.</param>
    public void BeginDrain(StepWork before)
    {
        Begin([]);
        Before = before;
    }

    /// <summary>The step that an operation belongs to; null: it has nothing to do.</summary>
    public StepWork? StepOf(in Operation operation) => operation.IsDelayed ? Before : Work;

    /// <summary>Begins an evaluation.</summary>
    public void Begin(IReadOnlyList<MicroBatch> batches)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batches.Count, _numMicroBatches, nameof(batches));
        for (int microBatch = 0; microBatch < batches.Count; microBatch++)
        {
            _batches[microBatch].Set(batches[microBatch]);
        }

        _numBatches = batches.Count;
        Work = null;
        Before = null;
        new Span<double>(Losses, _numMicroBatches).Clear();
        NumCounted = batches.Sum(batch => (long)batch.NumCounted);
    }

    /// <summary>A micro-batch; null if there is none of this number, or nothing in it counts: it is left out of everything.</summary>
    public StagedBatch? Batch(int microBatch) =>
        microBatch < _numBatches && _batches[microBatch].Batch.NumCounted > 0 ? _batches[microBatch] : null;
}
