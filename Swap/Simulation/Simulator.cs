using Offload.Swap.Schedules;

namespace Offload.Swap.Simulation;

/// <summary>
/// Plays a schedule on a virtual clock: each lane works on one operation at a time, at a speed that depends on which other lanes are at work.
/// One thread at a time.
/// </summary>
/// <remarks>Between two events speeds are constant; an event is the end of an operation. Cost: proportional to operations times lanes.</remarks>
public sealed class Simulator
{
    private static readonly int NumLanes = SimulationResult.NumLanes;

    private readonly StepSchedule _schedule;
    private readonly LaneProgram _program;
    private readonly double[] _seconds;
    private readonly double[] _hostRate;
    private readonly SharedRates _shared;

    private readonly int[] _active = new int[NumLanes];
    private readonly double[] _remaining = new double[NumLanes];
    private readonly double[] _speed = new double[NumLanes];
    private readonly long[] _done = new long[NumLanes];
    private readonly int[] _waitsFor = new int[NumLanes];
    private readonly double[] _waitsSince = new double[NumLanes];

    /// <param name="schedule">What to play.</param>
    /// <param name="cost">What each operation takes alone.</param>
    /// <param name="shared">How lanes slow each other down.</param>
    public Simulator(StepSchedule schedule, Func<Operation, OperationCost> cost, SharedRates shared)
    {
        _schedule = schedule;
        _shared = shared;
        _program = new LaneProgram(schedule);
        _seconds = new double[schedule.Operations.Count];
        _hostRate = new double[_seconds.Length];
        for (int i = 0; i < _seconds.Length; i++)
        {
            OperationCost found = cost(schedule.Operations[i]);
            _seconds[i] = found.Seconds;
            _hostRate[i] = found.Seconds > 0 ? found.HostBytes / found.Seconds : 0;
        }
    }

    /// <summary>Plays periods one after the other, overlapping as the schedule lets them, from an empty machine.</summary>
    /// <param name="numPeriods">At least 2. The first ones fill the pipeline; the second half is what counts as steady.</param>
    /// <exception cref="InvalidOperationException">The schedule waits for itself.</exception>
    public SimulationResult Run(int numPeriods)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numPeriods, 2);
        int count = _seconds.Length;
        var start = new double[(long)count * numPeriods];
        var end = new double[start.Length];
        var idle = new double[NumLanes * NumLanes];
        int steadyFrom = numPeriods / 2;
        long left = start.Length;
        double now = 0;
        Array.Fill(_active, Operation.None);
        Array.Clear(_done);
        Array.Fill(_waitsFor, Operation.None);
        while (left > 0)
        {
            if (!StartReady(now, numPeriods, steadyFrom, start, idle))
            {
                throw new InvalidOperationException($"no lane can go on at {now} s, {left} operations are left: the schedule waits for itself");
            }

            SetSpeeds();
            double step = double.PositiveInfinity;
            for (int lane = 0; lane < NumLanes; lane++)
            {
                if (_active[lane] != Operation.None)
                {
                    step = Math.Min(step, _remaining[lane] / _speed[lane]);
                }
            }

            now += step;
            for (int lane = 0; lane < NumLanes; lane++)
            {
                int operation = _active[lane];
                if (operation == Operation.None)
                {
                    continue;
                }

                double rest = _remaining[lane] - (step * _speed[lane]);

                // What rounding leaves of an operation that ends with another one.
                if (rest <= 1e-12 * _seconds[operation])
                {
                    end[(_done[lane] / _program.Queues[lane].Length * count) + operation] = now;
                    _active[lane] = Operation.None;
                    _done[lane]++;
                    left--;
                }
                else
                {
                    _remaining[lane] = rest;
                }
            }
        }

        return Summarise(numPeriods, steadyFrom, start, end, idle);
    }

    private bool StartReady(double now, int numPeriods, int steadyFrom, double[] start, double[] idle)
    {
        bool any = false;
        for (int lane = 0; lane < NumLanes; lane++)
        {
            if (_active[lane] != Operation.None)
            {
                any = true;
                continue;
            }

            int[] queue = _program.Queues[lane];
            if (queue.Length == 0 || _done[lane] == (long)queue.Length * numPeriods)
            {
                continue;
            }

            long period = _done[lane] / queue.Length;
            int operation = queue[_done[lane] % queue.Length];
            int missing = FirstMissing(operation, period);
            if (_waitsFor[lane] != Operation.None)
            {
                // However long it waited for the one lane, from now on it may be for another.
                if (period >= steadyFrom)
                {
                    idle[(lane * NumLanes) + _waitsFor[lane]] += now - _waitsSince[lane];
                }

                _waitsFor[lane] = Operation.None;
            }

            if (missing != Operation.None)
            {
                _waitsFor[lane] = missing;
                _waitsSince[lane] = now;
                continue;
            }

            any = true;
            _active[lane] = operation;
            _remaining[lane] = _seconds[operation];
            start[(period * _seconds.Length) + operation] = now;
        }

        return any;
    }

    /// <summary>The lane of the first dependency that is not met, or none.</summary>
    private int FirstMissing(int operation, long period)
    {
        for (int i = _program.Start[operation]; i < _program.Start[operation + 1]; i++)
        {
            LaneProgram.Need need = _program.Needs[i];
            if (_done[need.Lane] < ((period - need.PeriodsBack) * _program.Queues[need.Lane].Length) + need.Count)
            {
                return need.Lane;
            }
        }

        return Operation.None;
    }

    private void SetSpeeds()
    {
        Array.Fill(_speed, 1);
        Slow(Lane.SsdRead, Lane.SsdWrite, _shared.SsdReadMixed, _shared.SsdWriteMixed);
        Slow(Lane.H2D, Lane.D2H, _shared.H2DDuplex, _shared.D2HDuplex);
        if (double.IsPositiveInfinity(_shared.HostBytesPerSecond))
        {
            return;
        }

        double demand = 0;
        for (int lane = 0; lane < NumLanes; lane++)
        {
            demand += _active[lane] == Operation.None ? 0 : _hostRate[_active[lane]] * _speed[lane];
        }

        if (demand > _shared.HostBytesPerSecond)
        {
            for (int lane = 0; lane < NumLanes; lane++)
            {
                // Those that need none of it go on at their speed.
                if (_active[lane] != Operation.None && _hostRate[_active[lane]] > 0)
                {
                    _speed[lane] *= _shared.HostBytesPerSecond / demand;
                }
            }
        }
    }

    private void Slow(Lane first, Lane second, double firstFactor, double secondFactor)
    {
        if (_active[(int)first] != Operation.None && _active[(int)second] != Operation.None)
        {
            _speed[(int)first] = firstFactor;
            _speed[(int)second] = secondFactor;
        }
    }

    private SimulationResult Summarise(int numPeriods, int steadyFrom, double[] start, double[] end, double[] idle)
    {
        int count = _seconds.Length;
        double EndOf(int period) => end.AsSpan(period * count, count).ToArray().Max();
        int numSteady = numPeriods - steadyFrom;
        double periodSeconds = (EndOf(numPeriods - 1) - EndOf(steadyFrom - 1)) / numSteady;
        var busy = new double[NumLanes];
        for (int i = steadyFrom * count; i < end.Length; i++)
        {
            busy[(int)_schedule.Operations[i % count].Lane] += (end[i] - start[i]) / numSteady;
        }

        for (int i = 0; i < idle.Length; i++)
        {
            idle[i] /= numSteady;
        }

        return new SimulationResult(periodSeconds, busy, idle, start, end);
    }
}
