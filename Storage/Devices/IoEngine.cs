namespace Offload.Storage.Devices;

/// <summary>How a <see cref="DirectFileDevice"/> has its transfers done.</summary>
public enum IoEngine
{
    /// <summary>io_uring where the system lets us have one and the file is read and written directly; else threads.</summary>
    Auto,

    /// <summary>One io_uring, one thread for its completions.</summary>
    IoUring,

    /// <summary>Threads that call pread and pwrite.</summary>
    Threads,
}
