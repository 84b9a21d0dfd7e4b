namespace Offload.Swap.Schedules;

/// <summary>A condition of an operation, known only while the step runs. The executor leaves it out if it does not hold; to the simulator it is a probability.</summary>
public enum Guard : byte
{
    /// <summary>Always.</summary>
    None,

    /// <summary>The step was not what a speculative update took it for: gradients are clipped, or the step is skipped.</summary>
    IfRedone,
}
