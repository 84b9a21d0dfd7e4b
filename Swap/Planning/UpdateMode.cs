namespace Offload.Swap.Planning;

/// <summary>When units are updated. All are exact and synchronous: no forward ever sees a weight that lacks an update.</summary>
public enum UpdateMode : byte
{
    /// <summary>Each right after its backward, under the backward of those before it. Without clipping by the global norm.</summary>
    Immediate,

    /// <summary>Each right before its forward in the next step, once the norm is known. Gradients wait in between.</summary>
    Deferred,

    /// <summary>All after the last backward, in a stage of its own.</summary>
    Separate,

    /// <summary>Each right after its backward as if nothing were clipped, from one generation of states to the other; if the norm says otherwise, again from the old one.</summary>
    Speculative,
}
