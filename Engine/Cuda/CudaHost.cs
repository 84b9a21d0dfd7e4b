namespace Offload.Engine.Cuda;

/// <summary>A GPU that this process computes on, opened once and kept until the process ends, as libtorch keeps it. Any thread.</summary>
internal sealed class CudaHost
{
    /// <summary>
    /// Taken beside all that is counted, at most: libtorch and cuBLAS load kernels when they are first needed, and libtorch's allocator rounds up.
    /// None of the first runs on an H100 went above its ceiling with it: the closest took 11.60 of 12 GiB and 23.65 of 24.
    /// </summary>
    private const long LaterBytes = 384L << 20;

    private static readonly Lock Gate = new();
    private static readonly Dictionary<int, CudaHost> Opened = [];

    private readonly GpuUsage? _usage;

    private CudaHost(int ordinal)
    {
        _usage = GpuUsage.Begin(ordinal);
        Device = CudaDevice.Open(ordinal);
        OverheadBytes = (_usage?.Sample() ?? 0) + LaterBytes;
    }

    /// <summary>The GPU.</summary>
    public CudaDevice Device { get; }

    /// <summary>What the process takes of its memory beside what it asks for: the context, and kernels.</summary>
    public long OverheadBytes { get; }

    /// <summary>Most of its memory that this process has had; null: it cannot be told.</summary>
    public long? PeakBytes => _usage?.PeakBytes;

    /// <summary>The GPU of a number; libtorch with CUDA is loaded.</summary>
    /// <exception cref="CudaException">There is no driver or no such GPU.</exception>
    public static CudaHost Get(int ordinal)
    {
        lock (Gate)
        {
            if (!Opened.TryGetValue(ordinal, out CudaHost? host))
            {
                host = new CudaHost(ordinal);
                Opened.Add(ordinal, host);
            }

            return host;
        }
    }

    /// <summary>Memory that is free for this process, with what it has taken as overhead already.</summary>
    public long FreeBytes => Device.Memory().FreeBytes + OverheadBytes - LaterBytes;

    /// <summary>Looks how much memory is taken now. Some microseconds.</summary>
    public void Sample() => _usage?.Sample();
}
