using Offload.Engine.Compute;
using Offload.Engine.Models;

namespace Offload.Engine.Training;

/// <summary>
/// A model that trains in steps which may overlap: a step is begun, and ended in the same order. Used by one thread, which never needs to hurry: what
/// goes on beside it asks the step's <see cref="IStepDecider"/>. Reading masters, evaluating and disposing need it complete.
/// </summary>
/// <remarks>
/// A step whose <see cref="Begin"/> fails is not begun; once <see cref="End"/> fails, none is. After an error <see cref="IsWhole"/> tells whether what was
/// begun before may still be ended, completed and committed.
/// </remarks>
internal interface ITrainingModel : IMasterWeights, IDisposable
{
    /// <summary>True: it commits through <see cref="IStepDecider.Commit"/> inside its steps. False: whoever trains it commits when it is complete.</summary>
    bool IsDurable { get; }

    /// <summary>Steps that may be begun and not ended at a time; 1 or more.</summary>
    int MaxBegun { get; }

    /// <summary>False once an error has left the states between two steps, or may have: nothing may be committed any more.</summary>
    bool IsWhole { get; }

    /// <summary>Most GPU memory that was in use at once; 0 without a GPU tier.</summary>
    long PeakGpuBytes => 0;

    /// <summary>Mean loss over the counted tokens of all batches; NaN if none counts. Changes nothing.</summary>
    /// <param name="batches">Read one at a time; an error of theirs passes through and does no harm.</param>
    double Evaluate(IEnumerable<MicroBatch> batches);

    /// <summary>Begins a step; does not wait for those before it.</summary>
    /// <param name="work">The step after the one begun last.</param>
    /// <exception cref="InvalidOperationException">Too many are begun.</exception>
    /// <exception cref="Profiles.OffloadException">An earlier step failed.</exception>
    void Begin(StepWork work);

    /// <summary>Ends the oldest step that is begun: blocks until it is decided. Its update may follow later.</summary>
    /// <exception cref="InvalidOperationException">None is begun.</exception>
    /// <exception cref="Profiles.OffloadException">A step failed.</exception>
    void End();

    /// <summary>Blocks until all steps that were begun are applied, deferred updates included, and committed if it is durable. They must be ended.</summary>
    /// <exception cref="Profiles.OffloadException">A step failed.</exception>
    void Complete();
}
