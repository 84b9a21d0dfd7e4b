namespace Offload.Swap.Schedules;

/// <summary>A condition of an operation, known only while the step runs. The executor leaves the operation out if it does not hold, after what it waits for; to the simulator it is a probability. What has one reads <see cref="ContentKind.Decision"/>, so that the condition is known when its turn comes.</summary>
public enum Guard : byte
{
    /// <summary>Always.</summary>
    None,

    /// <summary>The step was not what a speculative update took it for: gradients are clipped, or the step is skipped.</summary>
    IfRedone,
}
