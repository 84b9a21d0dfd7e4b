namespace Offload.Engine.Training;

/// <summary>Told of what happens in a run, on the training thread; must return quickly.</summary>
public interface ITrainingObserver
{
    /// <summary>How far the data is tokenised.</summary>
    void OnTokenizing(Data.TokenizingProgress progress);

    /// <summary>A step has ended.</summary>
    void OnStep(StepReport report);

    /// <summary>An evaluation has ended.</summary>
    void OnEvaluation(EvalReport report);
}
