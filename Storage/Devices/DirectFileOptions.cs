namespace Offload.Storage.Devices;

/// <summary>How a <see cref="DirectFileDevice"/> works. Immutable.</summary>
public sealed record DirectFileOptions
{
    /// <summary>
    /// Default of <see cref="QueueDepth"/>. With blocks of <see cref="DirectFileDevice.PreferredBlockBytes"/> it is 64 MiB in flight: a drive of
    /// 14 GB/s has work for 5 ms, far more than passes between a completion and the next submission, and an urgent request waits no longer
    /// than that. Depths of 8, 16 and 32 blocks of 4 MiB gave the same rate within the noise of a virtual drive.
    /// </summary>
    public const int DefaultQueueDepth = 16;

    /// <summary>Largest <see cref="QueueDepth"/>.</summary>
    public const int MaxQueueDepth = 1024;

    /// <summary>What does the transfers.</summary>
    public IoEngine Engine { get; init; } = IoEngine.Auto;

    /// <summary>Requests that are with the kernel at a time, 1 to <see cref="MaxQueueDepth"/>; the rest waits by priority.</summary>
    public int QueueDepth { get; init; } = DefaultQueueDepth;

    /// <summary>False: through the page cache from the start, without a warning.</summary>
    public bool TryDirect { get; init; } = true;

    /// <summary>
    /// True: an exclusive lock (flock) as long as the device is open, and reads and writes. False: no lock, and reads only, for a look at a file
    /// that somebody else may be writing.
    /// </summary>
    public bool ExclusiveLock { get; init; } = true;

    /// <summary>
    /// How long a file that another process has locked is waited for. A killed process lets go only when its requests that the kernel works on are
    /// done: some 30 to 100 ms with 64 MiB in flight on a fast drive, seconds on a slow one.
    /// </summary>
    internal TimeSpan LockWait { get; init; } = DefaultLockWait;

    // Programs that expect to find files locked, as tests do, set it shorter for all their devices in their runtime configuration.
    private static TimeSpan DefaultLockWait { get; } =
        int.TryParse(AppContext.GetData("Offload.Storage.LockWaitMilliseconds") as string, out int milliseconds) ? TimeSpan.FromMilliseconds(milliseconds) : TimeSpan.FromSeconds(5);

    /// <summary>Gets one line for what the user should know but nothing fails by; on the thread that opens. Null: nobody is told.</summary>
    public Action<string>? OnWarning { get; init; }
}
