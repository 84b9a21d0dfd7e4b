using Offload.Engine.Cuda;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>Lanes of a GPU: a stream each, with a ring of events that mark where operations start and end. Owns the events.</summary>
internal sealed class CudaLanes : IDeviceLanes, IDisposable
{
    /// <summary>A float of milliseconds, as the driver gives times, tells half a microsecond within 4 s.</summary>
    private const double AnchorSeconds = 2;

    private readonly CudaDevice _device;
    private readonly TimeProvider _clock;
    private readonly CudaStream _anchorStream;
    private readonly Stream?[] _streams = new Stream?[Enum.GetValues<Lane>().Length];

    /// <param name="device">The GPU; borrowed.</param>
    /// <param name="compute">Stream of the lane Compute; borrowed, as the others.</param>
    /// <param name="toGpu">Of H2D.</param>
    /// <param name="fromGpu">Of D2H.</param>
    /// <param name="maxAhead">Operations that are issued and not waited for at most.</param>
    /// <param name="clock">The executor's.</param>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaLanes(CudaDevice device, CudaStream compute, CudaStream toGpu, CudaStream fromGpu, int maxAhead, TimeProvider clock)
    {
        _device = device;
        _clock = clock;
        device.MakeCurrent();
        _anchorStream = new CudaStream(device);

        // One may have failed while it was issued, and another be about to be marked.
        int length = maxAhead + 2;
        _streams[(int)Lane.Compute] = new Stream(device, compute, length);
        _streams[(int)Lane.H2D] = new Stream(device, toGpu, length);
        _streams[(int)Lane.D2H] = new Stream(device, fromGpu, length);
    }

    /// <inheritdoc/>
    public bool IsAsynchronous(Lane lane) => _streams[(int)lane] is not null;

    /// <inheritdoc/>
    public void Await(Lane lane, Lane other, long count) => Of(lane).Queue.WaitFor(Of(other).End(count - 1));

    /// <inheritdoc/>
    public void Begin(Lane lane, long count) => Of(lane).Start(count).Record(Of(lane).Queue);

    /// <inheritdoc/>
    public void Mark(Lane lane, long count) => Of(lane).End(count).Record(Of(lane).Queue);

    /// <inheritdoc/>
    public void Wait(Lane lane, long count)
    {
        _device.MakeCurrent();
        Of(lane).End(count).Wait();
    }

    /// <inheritdoc/>
    public (long StartTicks, long EndTicks) Times(Lane lane, long count)
    {
        Stream stream = Of(lane);
        if (stream.AnchorTicks == 0)
        {
            RenewAnchor(stream);
        }

        double start = stream.Start(count).SecondsSince(stream.Anchor);
        double end = stream.End(count).SecondsSince(stream.Anchor);
        (long, long) times = (Ticks(stream, start), Ticks(stream, end));
        if (end > AnchorSeconds)
        {
            RenewAnchor(stream);
        }

        return times;
    }

    public void Dispose()
    {
        foreach (Stream? stream in _streams)
        {
            stream?.Dispose();
        }

        _anchorStream.Dispose();
    }

    private Stream Of(Lane lane) => _streams[(int)lane]!;

    private long Ticks(Stream stream, double seconds) => stream.AnchorTicks + (long)(seconds * _clock.TimestampFrequency);

    /// <summary>On a stream with nothing else to do the event is recorded at once: its time is the clock's, up to some microseconds.</summary>
    private void RenewAnchor(Stream stream)
    {
        stream.Anchor.Record(_anchorStream);
        stream.Anchor.Wait();
        stream.AnchorTicks = _clock.GetTimestamp();
    }

    private sealed class Stream(CudaDevice device, CudaStream queue, int length) : IDisposable
    {
        private readonly CudaEvent[] _starts = [.. Enumerable.Range(0, length).Select(_ => new CudaEvent(device))];
        private readonly CudaEvent[] _ends = [.. Enumerable.Range(0, length).Select(_ => new CudaEvent(device))];

        public CudaStream Queue => queue;

        public CudaEvent Anchor { get; } = new(device);

        public long AnchorTicks { get; set; }

        public CudaEvent Start(long count) => _starts[count % _starts.Length];

        public CudaEvent End(long count) => _ends[count % _ends.Length];

        public void Dispose()
        {
            foreach (CudaEvent marked in (IEnumerable<CudaEvent>)[.. _starts, .. _ends, Anchor])
            {
                marked.Dispose();
            }
        }
    }
}
