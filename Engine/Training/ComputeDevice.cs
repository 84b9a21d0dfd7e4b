namespace Offload.Engine.Training;

/// <summary>What kind of device computes. Its arithmetic differs in the last bits from another's: it belongs to a run's numerics.</summary>
public enum ComputeDevice
{
    /// <summary>The processor.</summary>
    Cpu,

    /// <summary>A GPU, by CUDA.</summary>
    Cuda,
}
