namespace Offload.Engine.Models;

/// <summary>Element type of weights and activations in compute; master weights are fp32 either way. Part of a run's numerics.</summary>
public enum ComputeType
{
    /// <summary>IEEE binary32.</summary>
    Float32,

    /// <summary>bfloat16, with fp32 inside norms, softmax and loss.</summary>
    BFloat16,
}
