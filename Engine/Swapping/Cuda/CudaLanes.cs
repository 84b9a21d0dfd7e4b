using Offload.Engine.Cuda;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// The lanes that a GPU runs: a stream each, with a ring of events that mark where operations start and end. For one executor at a time, with numbers
/// from 0; several may take turns over the same streams, each with lanes of its own. Dispose it after the executor, and before the streams.
/// </summary>
internal sealed class CudaLanes : IDeviceLanes, IDisposable
{
    /// <summary>
    /// Events beyond those of operations that are not done: one for an operation that failed while it was issued, the others so that the end of one
    /// that is done is hardly ever recorded again just while another lane is told to wait for it. If it is, that lane waits for a later operation.
    /// </summary>
    private const int NumSpare = 4;

    private readonly CudaDevice _device;
    private readonly StreamLane?[] _lanes = new StreamLane?[Enum.GetValues<Lane>().Length];
    private readonly CudaClock _clock;

    /// <summary>Makes the events.</summary>
    /// <param name="device">The GPU. Borrowed.</param>
    /// <param name="compute">What computes. Borrowed, as all streams.</param>
    /// <param name="toDevice">What copies to the GPU.</param>
    /// <param name="toHost">What copies from it.</param>
    /// <param name="maxAhead">The executor's <see cref="ExecutorOptions.MaxAhead"/>.</param>
    /// <param name="clock">The executor's <see cref="ExecutorOptions.Clock"/>.</param>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaLanes(CudaDevice device, CudaStream compute, CudaStream toDevice, CudaStream toHost, int maxAhead, TimeProvider clock)
    {
        _device = device;
        _clock = new CudaClock(device, clock);
        try
        {
            _lanes[(int)Lane.Compute] = new StreamLane(compute, maxAhead + NumSpare);
            _lanes[(int)Lane.H2D] = new StreamLane(toDevice, maxAhead + NumSpare);
            _lanes[(int)Lane.D2H] = new StreamLane(toHost, maxAhead + NumSpare);
            foreach (StreamLane? lane in _lanes)
            {
                lane?.MakeEvents(device);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool IsAsynchronous(Lane lane) => _lanes[(int)lane] is not null;

    /// <inheritdoc/>
    public void Await(Lane lane, Lane other, long count)
    {
        _device.MakeCurrent();
        Of(lane).Stream.WaitFor(Of(other).Marks(count - 1).End!);
    }

    /// <summary>As of the interface. The device is current on the calling thread from here on.</summary>
    public void Begin(Lane lane, long count)
    {
        _device.MakeCurrent();
        StreamLane own = Of(lane);
        EventPair marks = own.Marks(count);
        if (marks.Anchor is { } before)
        {
            _clock.Return(before);
        }

        marks.Anchor = _clock.Take();
        marks.Start!.Record(own.Stream);
    }

    /// <inheritdoc/>
    public void Mark(Lane lane, long count) => Of(lane).Marks(count).End!.Record(Of(lane).Stream);

    /// <inheritdoc/>
    public void Wait(Lane lane, long count)
    {
        _device.MakeCurrent();
        Of(lane).Marks(count).End!.Wait();
    }

    /// <inheritdoc/>
    public (long StartTicks, long EndTicks) Times(Lane lane, long count)
    {
        EventPair marks = Of(lane).Marks(count);
        var times = (_clock.Ticks(marks.Start!, marks.Anchor!), _clock.Ticks(marks.End!, marks.Anchor!));
        _clock.Renew();
        return times;
    }

    /// <summary>Frees the events.</summary>
    public void Dispose()
    {
        foreach (StreamLane? lane in _lanes)
        {
            lane?.Dispose();
        }

        _clock.Dispose();
    }

    private StreamLane Of(Lane lane) => _lanes[(int)lane]!;

    /// <summary>Where an operation starts and ends.</summary>
    private sealed class EventPair
    {
        public CudaEvent? Start { get; set; }

        public CudaEvent? End { get; set; }

        public CudaClock.Anchor? Anchor { get; set; }
    }

    private sealed class StreamLane(CudaStream stream, int numMarks) : IDisposable
    {
        private readonly EventPair[] _ring = [.. Enumerable.Range(0, numMarks).Select(_ => new EventPair())];

        public CudaStream Stream { get; } = stream;

        public void MakeEvents(CudaDevice device)
        {
            foreach (EventPair marks in _ring)
            {
                marks.Start = new CudaEvent(device);
                marks.End = new CudaEvent(device);
            }
        }

        public EventPair Marks(long count) => _ring[(int)(count % _ring.Length)];

        public void Dispose()
        {
            foreach (EventPair marks in _ring)
            {
                marks.Start?.Dispose();
                marks.End?.Dispose();
            }
        }
    }
}
