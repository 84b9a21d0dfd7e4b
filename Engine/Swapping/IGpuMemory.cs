namespace Offload.Engine.Swapping;

/// <summary>A piece of memory of the GPU tier; freed when it is disposed.</summary>
internal unsafe interface IGpuMemory : IDisposable
{
    /// <summary>First byte, aligned to 256 bytes; null if the size is zero.</summary>
    byte* Address { get; }
}
