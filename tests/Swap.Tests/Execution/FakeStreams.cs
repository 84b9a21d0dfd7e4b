using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Execution;

/// <summary>
/// A device in miniature: each lane has a thread that does what was issued to it, in order, and waits for other lanes only where it was told to. Also
/// the handler: what comes for such a lane is issued, anything else done at once. Finds what breaks the rules of <see cref="IDeviceLanes"/>.
/// </summary>
internal sealed class FakeStreams : IDeviceLanes, IOperationHandler, IDisposable
{
    private readonly StepSchedule _schedule;
    private readonly Dictionary<Lane, Stream> _streams;
    private readonly int _maxAhead;
    private readonly TimeProvider _clock;
    private readonly Lock _gate = new();

    /// <param name="schedule">What will be run.</param>
    /// <param name="inner">Does the operations, on the streams' threads and the lanes'.</param>
    /// <param name="lanes">Those of the device.</param>
    /// <param name="maxAhead">What the executor is told.</param>
    /// <param name="clock">Of the times; null: the system's.</param>
    internal FakeStreams(StepSchedule schedule, IOperationHandler inner, IEnumerable<Lane> lanes, int maxAhead, TimeProvider? clock = null)
    {
        _schedule = schedule;
        _maxAhead = maxAhead;
        _clock = clock ?? TimeProvider.System;
        Inner = inner;
        _streams = lanes.ToDictionary(lane => lane, lane => new Stream(lane));
        foreach (Stream stream in _streams.Values)
        {
            stream.Thread.Start();
        }
    }

    /// <summary>Called first in each method, with its name, lane and number; may throw.</summary>
    internal Action<string, Lane, long>? OnCall { get; init; }

    /// <summary>Does the operations.</summary>
    internal IOperationHandler Inner { get; }

    /// <summary>What is wrong; null: nothing.</summary>
    internal string? Problem { get; private set; }

    /// <summary>All calls of <see cref="Await"/>.</summary>
    internal List<(Lane Lane, Lane Other, long Count)> Awaits { get; } = [];

    /// <summary>No operation that was issued is at work or to come.</summary>
    internal bool IsIdle => _streams.Values.All(stream => Volatile.Read(ref stream.NumAtWork) == 0);

    /// <summary>Operations of a lane that were marked.</summary>
    internal long NumMarked(Lane lane) => Volatile.Read(ref _streams[lane].NumMarked);

    /// <summary>For <see cref="OnCall"/>: something before each mark.</summary>
    internal static Action<string, Lane, long> AtEachMark(Action action) => (name, _, _) =>
    {
        if (name == nameof(Mark))
        {
            action();
        }
    };

    public bool IsAsynchronous(Lane lane) => _streams.ContainsKey(lane);

    public void Await(Lane lane, Lane other, long count)
    {
        OnCall?.Invoke(nameof(Await), lane, count);
        Stream first = _streams[other];
        Check(lane != other && count > 0 && count <= Volatile.Read(ref first.NumMarked), $"{lane} awaits {count} of {other}, which are not marked");
        lock (_gate)
        {
            Awaits.Add((lane, other, count));
        }

        _streams[lane].Issue(() => first.WaitForEnd(count));
    }

    public void Begin(Lane lane, long count)
    {
        OnCall?.Invoke(nameof(Begin), lane, count);
        Stream stream = _streams[lane];
        Check(stream.NumMarked == count && stream.NumBegun == count, $"{lane} begins {count} after {stream.NumBegun} and {stream.NumMarked}");
        Check(count - Volatile.Read(ref stream.NumWaited) < _maxAhead, $"{lane}: {count} comes too far ahead");
        stream.NumBegun++;
        stream.Issue(() => stream.StartTicks = _clock.GetTimestamp());
    }

    public void Mark(Lane lane, long count)
    {
        OnCall?.Invoke(nameof(Mark), lane, count);
        Stream stream = _streams[lane];
        Check(stream.NumMarked == count && stream.NumBegun == count + 1, $"{lane} marks {count} after {stream.NumBegun} and {stream.NumMarked}");
        stream.Issue(() => stream.End(count, _clock.GetTimestamp()));
        Volatile.Write(ref stream.NumMarked, count + 1);
    }

    public void Wait(Lane lane, long count)
    {
        Stream stream = _streams[lane];
        Check(stream.NumWaited == count && count < Volatile.Read(ref stream.NumMarked), $"{lane} waits for {count} after {stream.NumWaited}");
        stream.WaitForEnd(count + 1);
        OnCall?.Invoke(nameof(Wait), lane, count);
        if (stream.Error is { } error)
        {
            throw error;
        }

        Volatile.Write(ref stream.NumWaited, count + 1);
    }

    public (long StartTicks, long EndTicks) Times(Lane lane, long count)
    {
        OnCall?.Invoke(nameof(Times), lane, count);
        Check(_streams[lane].NumWaited == count + 1, $"{lane}: times of {count} after {_streams[lane].NumWaited}");
        return _streams[lane].TimesOf(count);
    }

    public void Run(int operation, long period, CancellationToken cancellation)
    {
        Lane lane = _schedule.Operations[operation].Lane;
        if (!_streams.TryGetValue(lane, out Stream? stream))
        {
            Inner.Run(operation, period, cancellation);
            return;
        }

        Interlocked.Increment(ref stream.NumAtWork);
        stream.Issue(() =>
        {
            try
            {
                Inner.Run(operation, period, cancellation);
            }
            finally
            {
                Interlocked.Decrement(ref stream.NumAtWork);
            }
        });
        OnCall?.Invoke(nameof(Run), lane, operation);
    }

    /// <summary>After the executor: ends the streams, once they have done all that was issued.</summary>
    public void Dispose()
    {
        foreach (Stream stream in _streams.Values)
        {
            stream.Issue(null);
            Assert.True(stream.Thread.Join(TimeSpan.FromSeconds(10)), "a stream hangs");
        }
    }

    private void Check(bool isRight, string problem)
    {
        if (!isRight)
        {
            Problem ??= problem;
        }
    }

    private sealed class Stream
    {
        internal long NumBegun;
        internal long NumMarked;
        internal long NumWaited;
        internal long StartTicks;
        internal int NumAtWork;

        private readonly object _monitor = new();
        private readonly Queue<Action?> _issued = new();
        private readonly List<(long StartTicks, long EndTicks)> _times = [];
        private long _numEnded;

        internal Stream(Lane lane) => Thread = new Thread(Work) { Name = $"fake {lane}", IsBackground = true };

        internal Thread Thread { get; }

        /// <summary>What an operation has thrown first.</summary>
        internal Exception? Error { get; private set; }

        internal void Issue(Action? work)
        {
            lock (_monitor)
            {
                _issued.Enqueue(work);
                Monitor.PulseAll(_monitor);
            }
        }

        internal void End(long count, long ticks)
        {
            lock (_monitor)
            {
                _numEnded = count + 1;
                _times.Add((StartTicks, ticks));
                Monitor.PulseAll(_monitor);
            }
        }

        internal void WaitForEnd(long count)
        {
            lock (_monitor)
            {
                while (_numEnded < count)
                {
                    Monitor.Wait(_monitor);
                }
            }
        }

        internal (long StartTicks, long EndTicks) TimesOf(long count)
        {
            lock (_monitor)
            {
                return _times[(int)count];
            }
        }

        private void Work()
        {
            while (Take() is { } work)
            {
                try
                {
                    work();
                }
                catch (Exception error)
                {
                    Error ??= error;
                }
            }
        }

        private Action? Take()
        {
            lock (_monitor)
            {
                while (_issued.Count == 0)
                {
                    Monitor.Wait(_monitor);
                }

                return _issued.Dequeue();
            }
        }
    }
}
