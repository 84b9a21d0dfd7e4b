using Offload.Engine.Cuda;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// Times of events in the ticks of a host clock. Events only tell how far they are apart, so each is measured from an anchor: an event whose host
/// time is known. Any thread on which the device is current.
/// </summary>
/// <remarks>
/// An anchor is recorded on a stream of its own, where nothing holds it up; the host time before the call is its time, to about 10 us, which is what
/// issuing takes. The distance is a float of milliseconds, exact to 0.06 us at a second, and the two clocks drift apart by some tens of us a
/// second: therefore a new anchor every second.
/// </remarks>
internal sealed class CudaClock : IDisposable
{
    /// <summary>At most so many tries: each takes some tens of us.</summary>
    private const int MaxTries = 4;

    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(1);

    private readonly CudaDevice _device;
    private readonly TimeProvider _clock;
    private readonly CudaStream _stream;
    private readonly Lock _gate = new();
    private readonly List<Anchor> _anchors = [];
    private Anchor _current;

    /// <param name="device">The GPU. Borrowed.</param>
    /// <param name="clock">The host's clock.</param>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaClock(CudaDevice device, TimeProvider clock)
    {
        _device = device;
        _clock = clock;
        _stream = new CudaStream(device);
        try
        {
            _current = Renewed();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The anchor of events that are recorded from now on; it is kept until <see cref="Return"/>.</summary>
    public Anchor Take()
    {
        lock (_gate)
        {
            _current.NumUsers++;
            return _current;
        }
    }

    /// <summary>The times of the events that an anchor was taken for are not asked any more.</summary>
    public void Return(Anchor anchor)
    {
        lock (_gate)
        {
            anchor.NumUsers--;
        }
    }

    /// <summary>When an event was: done, and recorded since the anchor was taken.</summary>
    /// <exception cref="CudaException">The event is not done, or the GPU has failed.</exception>
    public long Ticks(CudaEvent marked, Anchor anchor) => anchor.Ticks + (long)(marked.SecondsSince(anchor.Mark) * _clock.TimestampFrequency);

    /// <summary>Makes a new anchor if the last one is old: takes about 0.1 ms then.</summary>
    /// <exception cref="CudaException">The GPU has failed.</exception>
    public void Renew()
    {
        lock (_gate)
        {
            if (_clock.GetElapsedTime(_current.Ticks) > MaxAge)
            {
                _current = Renewed();
            }
        }
    }

    /// <summary>Frees all.</summary>
    public void Dispose()
    {
        foreach (Anchor anchor in _anchors)
        {
            anchor.Mark.Dispose();
        }

        _stream.Dispose();
    }

    private Anchor Renewed()
    {
        // The last one may just be taken: never that.
        Anchor? anchor = _anchors.Find(other => other.NumUsers == 0 && other != _current);
        if (anchor is null)
        {
            anchor = new Anchor(new CudaEvent(_device));
            _anchors.Add(anchor);
        }

        // What counts is the last try. One that the scheduler has cut into takes longer than those before, and is repeated.
        long shortest = Record(anchor);
        for (int i = 1; i < MaxTries; i++)
        {
            long ticks = Record(anchor);
            if (ticks <= shortest + (shortest / 2))
            {
                break;
            }

            shortest = Math.Min(shortest, ticks);
        }

        return anchor;
    }

    /// <summary>Records an anchor; gives the ticks until the host has noticed.</summary>
    private long Record(Anchor anchor)
    {
        anchor.Ticks = _clock.GetTimestamp();
        anchor.Mark.Record(_stream);
        anchor.Mark.Wait();
        return _clock.GetTimestamp() - anchor.Ticks;
    }

    /// <summary>An event whose host time is known. Belongs to the clock.</summary>
    internal sealed class Anchor(CudaEvent mark)
    {
        /// <summary>The event: done.</summary>
        public CudaEvent Mark { get; } = mark;

        /// <summary>Its time.</summary>
        public long Ticks { get; set; }

        /// <summary>How often it is taken.</summary>
        public int NumUsers { get; set; }
    }
}
