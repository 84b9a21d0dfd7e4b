namespace Offload.Storage.Benchmarks;

/// <summary>What does the transfers of a pass.</summary>
public enum BenchmarkLayer
{
    /// <summary>The device as the store uses it, striped if there are several drives, with the store's blocks and depth.</summary>
    Device,

    /// <summary>The store: tiles with checksums, through all layers.</summary>
    Store,

    /// <summary>The device with threads that call pread and pwrite: what the kernel gives without io_uring.</summary>
    Threads,
}
