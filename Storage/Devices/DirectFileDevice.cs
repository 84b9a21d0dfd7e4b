using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>
/// A file as a device, past the page cache (O_DIRECT) where its file system allows that. The file exists and keeps its size:
/// <see cref="PreallocatedFile"/> makes one.
/// </summary>
public sealed class DirectFileDevice : IBlockDevice
{
    /// <summary>
    /// Size of requests into which long transfers are best cut. Processor seconds a GB by io_uring, reading: 0.14 with 256 KiB, 0.10 with 1 MiB,
    /// 0.05 with 4 MiB and with 8 MiB; by threads 0.14, 0.10, 0.05 with 256 KiB, 1 MiB, 4 MiB. The rate is the same from 1 MiB on (a virtual
    /// drive that takes 1280 KiB at a time; the kernel splits what is longer). Smaller than 8 MiB, since an urgent request waits for those that
    /// have begun.
    /// </summary>
    public const int PreferredBlockBytes = 4 << 20;

    private readonly DirectFile _file;
    private readonly TransferEngine _engine;

    private DirectFileDevice(DirectFile file, TransferEngine engine, string engineReason)
    {
        _file = file;
        _engine = engine;
        EngineReason = engineReason;
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <summary>Size of the file when it was opened. Where it is no multiple of the alignment, its last bytes are out of reach.</summary>
    public long SizeBytes => _file.SizeBytes;

    /// <summary>What the file system asks for, found when the file was opened; 512 through the page cache.</summary>
    public int AlignmentBytes => _file.AlignmentBytes;

    /// <inheritdoc/>
    public DeviceTraffic Traffic => _file.Traffic;

    /// <summary>False: the file system has no O_DIRECT, or it was not wanted, and transfers go through the page cache.</summary>
    public bool IsDirect => _file.IsDirect;

    /// <summary>What does the transfers: never <see cref="IoEngine.Auto"/>.</summary>
    public IoEngine Engine => _engine is RingEngine ? IoEngine.IoUring : IoEngine.Threads;

    /// <summary>Why it is that engine, in a few words.</summary>
    public string EngineReason { get; }

    /// <summary>The file has another name now: messages name it.</summary>
    internal void Renamed(string path) => _file.Renamed(path);

    /// <summary>The file's descriptor, for tests.</summary>
    internal int Descriptor => _file.Descriptor;

    /// <summary>Opens an existing file.</summary>
    /// <param name="path">A regular file.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="StorageException">It is missing, no regular file, in use by somebody else, or the system refuses; io_uring was asked for and cannot be had.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The queue depth is out of its range.</exception>
    public static DirectFileDevice Open(string path, DirectFileOptions? options = null)
    {
        options ??= new DirectFileOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.QueueDepth, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.QueueDepth, DirectFileOptions.MaxQueueDepth);
        DirectFile file = DirectFile.Open(path, options);
        try
        {
            TransferEngine engine = CreateEngine(file, options, out string reason);
            return new DirectFileDevice(file, engine, reason);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Why this system gives us no io_uring, in one line; null if it does. Containers often forbid it.</summary>
    public static string? IoUringProblem()
    {
        using var ring = Interop.IoUring.TryCreate(1, out string? problem);
        return problem;
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">A write, and the device was opened without the lock.</exception>
    public void Submit(BlockRequest request)
    {
        DeviceRange.Check(request, SizeBytes, AlignmentBytes);
        if (request.Operation == BlockOperation.Write && !_file.IsWritable)
        {
            throw new InvalidOperationException($"{Path} was opened without the lock, for reading only");
        }

        _engine.Submit(request);
    }

    /// <summary>
    /// Has the kernel pin a buffer once, instead of at every transfer to or from it: less processor time, above all for reads. Everything works
    /// the same without. One buffer a device: an arena of slots.
    /// </summary>
    /// <param name="buffer">Must not be disposed before the device: the kernel would go on using its pages under whatever takes the addresses.</param>
    /// <returns>False: transfers are not by io_uring, the limit on locked memory is too low (8 MiB for ordinary users), or there is one already.</returns>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public bool TryRegisterBuffer(NativeBuffer buffer) => _engine.TryRegister(buffer);

    /// <summary>fdatasync. Once it has failed it fails for good: the system reports lost writes only once. Blocks.</summary>
    /// <exception cref="StorageException">It failed, or failed before.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void Flush() => _file.Flush();

    /// <summary>Does all that was submitted, then closes the file, which gives up the lock; idempotent. Blocks.</summary>
    /// <exception cref="InvalidOperationException">Called from the completion of a request of this device.</exception>
    public void Dispose()
    {
        _engine.Dispose();
        _file.Dispose();
    }

    private static TransferEngine CreateEngine(DirectFile file, DirectFileOptions options, out string reason)
    {
        string? problem = null;
        if (options.Engine == IoEngine.IoUring || (options.Engine == IoEngine.Auto && file.IsDirect))
        {
            if (RingEngine.TryCreate(file, options.QueueDepth, out problem) is { } ring)
            {
                reason = options.Engine == IoEngine.IoUring ? "asked for" : "the system allows io_uring";
                return ring;
            }

            if (options.Engine == IoEngine.IoUring)
            {
                throw new StorageException(file.Path, "set up io_uring", problem!, "Allow it ('sysctl kernel.io_uring_disabled=0', the container's seccomp profile), or let threads do the transfers.");
            }
        }

        // Buffered transfers of an io_uring end up on threads of the kernel, and would leave their pages in the cache.
        reason = options.Engine == IoEngine.Threads ? "asked for" : problem ?? "transfers go through the page cache";
        return new ThreadEngine(file, options.QueueDepth);
    }
}
