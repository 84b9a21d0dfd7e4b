using System.Diagnostics;
using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Acceptance.Fio;

/// <summary>The same load on a device: as many requests as the queue is deep, each submitted again for the next block when it completes.</summary>
internal sealed unsafe class DeviceLoad : IDisposable
{
    private readonly IBlockDevice _device;
    private readonly NativeBuffer _memory;
    private readonly BlockStream[] _streams;
    private readonly StreamingRequest[] _requests;
    private readonly CountdownEvent _running;
    private Exception? _error;
    private long _bytes;
    private long _end;

    private DeviceLoad(IBlockDevice device, FioSettings settings, LoadKind kind)
    {
        _device = device;
        long halfBytes = settings.SizeBytes / 2;
        _streams = kind == LoadKind.Mixed
            ? [new(BlockOperation.Read, 0, halfBytes, settings.BlockBytes), new(BlockOperation.Write, halfBytes, halfBytes, settings.BlockBytes)]
            : [new(kind == LoadKind.Read ? BlockOperation.Read : BlockOperation.Write, 0, settings.SizeBytes, settings.BlockBytes)];
        _memory = new NativeBuffer((long)settings.QueueDepth * settings.BlockBytes);
        _running = new CountdownEvent(settings.QueueDepth);
        _requests = new StreamingRequest[settings.QueueDepth];
        for (int i = 0; i < _requests.Length; i++)
        {
            byte* address = (byte*)_memory.Address + ((long)i * settings.BlockBytes);
            new Random(i).NextBytes(new Span<byte>(address, settings.BlockBytes));
            _requests[i] = new StreamingRequest(this, _streams[i % _streams.Length], address);
        }
    }

    /// <summary>For the settings' time. Disposes the device, and then the memory that it may have registered.</summary>
    public static LoadResult Run(DirectFileDevice device, FioSettings settings, LoadKind kind, bool registersMemory)
    {
        using var load = new DeviceLoad(device, settings, kind);
        if (registersMemory && !device.TryRegisterBuffer(load._memory))
        {
            throw new InvalidOperationException("the memory cannot be registered: run as root, or raise the limit ('ulimit -l')");
        }

        TimeSpan cpuStart = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        load._end = start + (settings.Seconds * Stopwatch.Frequency);
        Array.ForEach(load._requests, request => request.Start());
        load._running.Wait();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double cpuSeconds = (Environment.CpuUsage.TotalTime - cpuStart).TotalSeconds;
        return load._error is null ? new LoadResult(load._bytes, seconds, cpuSeconds) : throw load._error;
    }

    public void Dispose()
    {
        _device.Dispose();
        _memory.Dispose();
        _running.Dispose();
    }

    /// <summary>Offsets one after the other, and from the start again.</summary>
    private sealed class BlockStream(BlockOperation operation, long startBytes, long sizeBytes, int blockBytes)
    {
        private readonly long _numBlocks = sizeBytes / blockBytes;
        private long _next = -1;

        public BlockOperation Operation => operation;

        public int BlockBytes => blockBytes;

        public long NextOffset() => startBytes + (Interlocked.Increment(ref _next) % _numBlocks * blockBytes);
    }

    private sealed class StreamingRequest(DeviceLoad load, BlockStream stream, byte* address) : BlockRequest
    {
        public void Start()
        {
            Prepare(stream.Operation, stream.NextOffset(), address, stream.BlockBytes, IoPriority.Normal);
            load._device.Submit(this);
        }

        protected override void OnCompleted(Exception? error)
        {
            load._error ??= error;
            Interlocked.Add(ref load._bytes, stream.BlockBytes);
            if (error is null && Stopwatch.GetTimestamp() < load._end)
            {
                Start();
            }
            else
            {
                load._running.Signal();
            }
        }
    }
}
