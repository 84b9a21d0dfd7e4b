namespace Offload.Swap.Planning;

/// <summary>What becomes of an activation between forward and backward.</summary>
public enum ActivationPolicy : byte
{
    /// <summary>Dropped and computed again.</summary>
    Recompute,

    /// <summary>Stays on the GPU.</summary>
    Keep,

    /// <summary>Waits in CPU memory.</summary>
    SwapToCpu,

    /// <summary>Waits on the drives.</summary>
    SwapToNvme,
}
