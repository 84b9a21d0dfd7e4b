namespace Offload.Benchmarks;

/// <summary>The kernels that memory traffic is measured with.</summary>
public enum TrafficKernel
{
    /// <summary>The optimizer.</summary>
    AdamW,

    /// <summary>Its streams without its arithmetic.</summary>
    SameMix,

    /// <summary>STREAM copy.</summary>
    Copy,

    /// <summary>STREAM triad.</summary>
    Triad,

    /// <summary>Sum of squares of the gradients: read only.</summary>
    GradientNorm,
}
