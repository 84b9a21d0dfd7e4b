namespace Offload.Swap.Execution;

/// <summary>A caller that sleeps until so much is done. Belongs to the executor's gate, but for the signal.</summary>
internal sealed class CallerWait
{
    /// <summary>Where it sleeps.</summary>
    public WakeSignal Signal { get; } = new();

    /// <summary>The lane whose operations count; none: whole periods of all lanes.</summary>
    public int Lane { get; set; }

    /// <summary>How many operations of that lane, or how many periods.</summary>
    public long Count { get; set; }
}
