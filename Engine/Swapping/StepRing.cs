namespace Offload.Engine.Swapping;

/// <summary>What the periods in flight are for. A place is used again once its period is over.</summary>
/// <param name="numUnits">Units of the model.</param>
/// <param name="numMicroBatches">Most micro-batches of a period.</param>
/// <param name="rows">Rows of the largest micro-batch.</param>
/// <param name="device">Who computes; borrowed.</param>
internal sealed class StepRing(int numUnits, int numMicroBatches, int rows, ISwapDevice device) : IDisposable
{
    /// <summary>Periods that are remembered: one that is decided and whose last writes are under way, one or two at work, and the one being prepared.</summary>
    public const int Length = 4;

    private readonly StepMemory _memory = new(Length, numUnits, numMicroBatches, rows, device);
    private StepInFlight[]? _steps;

    /// <summary>What a period is for.</summary>
    public StepInFlight this[long period] => (_steps ??= [.. Enumerable.Range(0, Length).Select(i => new StepInFlight(_memory, i))])[period % Length];

    public void Dispose() => _memory.Dispose();
}
