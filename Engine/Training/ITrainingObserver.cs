namespace Offload.Engine.Training;

/// <summary>Told of what happens in a run, one call at a time; must return quickly.</summary>
public interface ITrainingObserver
{
    /// <summary>How far the data is tokenised. On a thread of the pool, while the training thread waits.</summary>
    void OnTokenizing(Data.TokenizingProgress progress);

    /// <summary>A step has ended. On the training thread.</summary>
    void OnStep(StepReport report);

    /// <summary>An evaluation has ended. On the training thread.</summary>
    void OnEvaluation(EvalReport report);
}
