using Offload.Engine.Compute;
using Offload.Engine.Training;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// What the lanes know of one period: a step's micro-batches, and what came of them. The order of the operations decides who may read and write
/// it when; it is used again for a later period.
/// </summary>
/// <param name="numUnits">Units of the model.</param>
internal sealed class StepInFlight(int numUnits)
{
    private IReadOnlyList<MicroBatch> _batches = [];

    /// <summary>What is asked; null in an evaluation and in a drain.</summary>
    public StepWork? Work { get; private set; }

    /// <summary>The step before, if some of its updates are left to this period; null: nothing is left.</summary>
    public StepWork? Before { get; private set; }

    /// <summary>Tokens that count in the loss.</summary>
    public long NumCounted { get; private set; }

    /// <summary>What the loss's gradient is multiplied by: 1 / <see cref="NumCounted"/>.</summary>
    public float GradScale => (float)(1.0 / NumCounted);

    /// <summary>Sum of the losses so far.</summary>
    public double Loss { get; set; }

    /// <summary>Of an evaluation: each micro-batch's loss.</summary>
    public double[] Losses { get; private set; } = [];

    /// <summary>By unit: sum of squares of its rounded gradients.</summary>
    public double[] SumsOfSquares { get; } = new double[numUnits];

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
        _batches = batches;
        Work = null;
        Before = null;
        Loss = 0;
        if (Losses.Length < batches.Count)
        {
            Losses = new double[batches.Count];
        }

        NumCounted = batches.Sum(batch => (long)batch.NumCounted);
    }

    /// <summary>A micro-batch; null if there is none of this number, or nothing in it counts: it is left out of everything.</summary>
    public MicroBatch? Batch(int microBatch) =>
        microBatch < _batches.Count && _batches[microBatch].NumCounted > 0 ? _batches[microBatch] : null;
}
