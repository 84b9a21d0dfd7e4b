namespace Offload.Engine.Swapping;

/// <summary>What the periods in flight are for. A place is used again once its period is over.</summary>
/// <param name="numUnits">Units of the model.</param>
internal sealed class StepRing(int numUnits)
{
    /// <summary>Periods that are remembered: one that is decided and whose last writes are under way, one or two at work, and the one being prepared.</summary>
    public const int Length = 4;

    private readonly StepInFlight[] _steps = [.. Enumerable.Range(0, Length).Select(_ => new StepInFlight(numUnits))];

    /// <summary>What a period is for.</summary>
    public StepInFlight this[long period] => _steps[period % Length];
}
