using System.Numerics;
using Offload.Swap.Schedules;

namespace Offload.Swap.Simulation;

/// <summary>
/// Plays a schedule on a virtual clock: each lane works on one operation at a time, at a speed that depends on which other lanes are at work.
/// One thread at a time.
/// </summary>
/// <remarks>
/// Between two events speeds are constant; an event is the end of an operation. Sets of lanes are bits of a number. Cost: proportional to
/// operations times lanes; each need of an operation is looked at until it is met and never again, since counts only grow.
/// </remarks>
public sealed class Simulator
{
    private static readonly int NumLanes = SimulationResult.NumLanes;

    private readonly LaneProgram _program;
    private readonly double[] _seconds;
    private readonly double[] _hostRate;
    private readonly double _hostBytesPerSecond;

    /// <summary>The lanes' speeds for each set of lanes at work, contention for CPU memory aside.</summary>
    private readonly double[] _speedOfSet;

    private readonly int[] _operation = new int[NumLanes];
    private readonly int[] _position = new int[NumLanes];
    private readonly int[] _period = new int[NumLanes];
    private readonly int[] _need = new int[NumLanes];
    private readonly int[] _waitedFor = new int[NumLanes];
    private readonly double[] _startSeconds = new double[NumLanes];
    private readonly double[] _remaining = new double[NumLanes];
    private readonly double[] _speed = new double[NumLanes];
    private readonly long[] _done = new long[NumLanes];
    private int _active;
    private int _waiting;

    /// <param name="schedule">What to play.</param>
    /// <param name="cost">What each operation takes alone.</param>
    /// <param name="shared">How lanes slow each other down.</param>
    /// <param name="guardProbability">How often an operation with a guard is done: its cost is that much of the whole.</param>
    public Simulator(StepSchedule schedule, Func<Operation, OperationCost> cost, SharedRates shared, double guardProbability = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(guardProbability);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(guardProbability, 1);
        _hostBytesPerSecond = shared.HostBytesPerSecond;
        _speedOfSet = SpeedOfSet(shared);
        _program = new LaneProgram(schedule);
        _seconds = new double[schedule.Operations.Count];
        _hostRate = new double[_seconds.Length];
        for (int i = 0; i < _seconds.Length; i++)
        {
            Operation operation = schedule.Operations[i];
            OperationCost found = cost(operation);
            _seconds[i] = found.Seconds * (operation.Guard == Guard.None ? 1 : guardProbability);
            _hostRate[i] = found.Seconds > 0 ? found.HostBytes / found.Seconds : 0;
        }
    }

    /// <summary>Plays periods one after the other, overlapping as the schedule lets them, from an empty machine.</summary>
    /// <param name="numPeriods">At least 2. The first ones fill the pipeline; the second half is what counts as steady.</param>
    /// <param name="keepsAllPeriods">False: of single operations only the times of the last two periods are kept, whatever their number.</param>
    /// <exception cref="InvalidOperationException">The schedule waits for itself.</exception>
    public SimulationResult Run(int numPeriods, bool keepsAllPeriods = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numPeriods, 2);
        int numKept = keepsAllPeriods ? numPeriods : 2;
        var start = new double[checked(_seconds.Length * numKept)];
        var end = new double[start.Length];
        var waitedFor = new sbyte[start.Length];
        var account = new LaneAccount(numPeriods);
        Reset();
        double now = 0;
        StartReady(now);
        while (_active != 0)
        {
            SetSpeeds();
            double step = double.PositiveInfinity;
            for (int lanes = _active; lanes != 0; lanes &= lanes - 1)
            {
                int lane = BitOperations.TrailingZeroCount(lanes);
                step = Math.Min(step, _remaining[lane] / _speed[lane]);
            }

            now += step;
            for (int lanes = _active; lanes != 0; lanes &= lanes - 1)
            {
                int lane = BitOperations.TrailingZeroCount(lanes);
                int operation = _operation[lane];
                double rest = _remaining[lane] - (step * _speed[lane]);

                // What rounding leaves of an operation that ends with another one.
                if (rest > 1e-12 * _seconds[operation])
                {
                    _remaining[lane] = rest;
                    continue;
                }

                // The last period has the last place, whether all are kept or two.
                int period = _period[lane];
                int index = (keepsAllPeriods ? period : (period + numPeriods) & 1) * _seconds.Length;
                start[index + operation] = _startSeconds[lane];
                end[index + operation] = now;
                waitedFor[index + operation] = (sbyte)_waitedFor[lane];
                account.Add(lane, period, _waitedFor[lane], _startSeconds[lane], now);
                Advance(lane, numPeriods);
            }

            StartReady(now);
        }

        return _waiting == 0
            ? new SimulationResult(account, numPeriods - numKept, start, end, waitedFor)
            : throw new InvalidOperationException($"no lane can go on at {now} s, {_seconds.Length * (long)numPeriods - _done.Sum()} operations are left: the schedule waits for itself");
    }

    private static double[] SpeedOfSet(SharedRates shared)
    {
        var speeds = new double[NumLanes << NumLanes];
        Array.Fill(speeds, 1);
        for (int set = 0; set < 1 << NumLanes; set++)
        {
            Slow(set, Lane.SsdRead, Lane.SsdWrite, shared.SsdReadMixed, shared.SsdWriteMixed);
            Slow(set, Lane.H2D, Lane.D2H, shared.H2DDuplex, shared.D2HDuplex);
        }

        return speeds;

        void Slow(int set, Lane first, Lane second, double firstFactor, double secondFactor)
        {
            if ((set >> (int)first & 1) != 0 && (set >> (int)second & 1) != 0)
            {
                speeds[(set * NumLanes) + (int)first] = firstFactor;
                speeds[(set * NumLanes) + (int)second] = secondFactor;
            }
        }
    }

    private void Reset()
    {
        _active = 0;
        _waiting = 0;
        Array.Clear(_done);
        Array.Clear(_position);
        Array.Clear(_period);
        for (int lane = 0; lane < NumLanes; lane++)
        {
            if (_program.Queues[lane].Length > 0)
            {
                Await(lane);
            }
        }
    }

    /// <summary>A lane's next operation is to begin as soon as its needs are met.</summary>
    private void Await(int lane)
    {
        _waiting |= 1 << lane;
        _operation[lane] = _program.Queues[lane][_position[lane]];
        _need[lane] = _program.Start[_operation[lane]];
        _waitedFor[lane] = Operation.None;
    }

    private void Advance(int lane, int numPeriods)
    {
        _active &= ~(1 << lane);
        _done[lane]++;
        if (++_position[lane] == _program.Queues[lane].Length)
        {
            _position[lane] = 0;
            _period[lane]++;
        }

        if (_period[lane] < numPeriods)
        {
            Await(lane);
        }
    }

    private void StartReady(double now)
    {
        for (int lanes = _waiting; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            int operation = _operation[lane];
            int need = _need[lane];
            int end = _program.Start[operation + 1];
            while (need < end && _done[_program.Needs[need].Lane] >= _program.Needs[need].TargetOf(_period[lane]))
            {
                need++;
            }

            _need[lane] = need;
            if (need < end)
            {
                _waitedFor[lane] = _program.Needs[need].Lane;
                continue;
            }

            _waiting &= ~(1 << lane);
            _active |= 1 << lane;
            _remaining[lane] = _seconds[operation];
            _startSeconds[lane] = now;
        }
    }

    private void SetSpeeds()
    {
        ReadOnlySpan<double> alone = _speedOfSet.AsSpan(_active * NumLanes, NumLanes);
        alone.CopyTo(_speed);
        if (double.IsPositiveInfinity(_hostBytesPerSecond))
        {
            return;
        }

        double demand = 0;
        for (int lanes = _active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            demand += _hostRate[_operation[lane]] * alone[lane];
        }

        if (demand <= _hostBytesPerSecond)
        {
            return;
        }

        for (int lanes = _active; lanes != 0; lanes &= lanes - 1)
        {
            // Those that need none of it go on at their speed.
            int lane = BitOperations.TrailingZeroCount(lanes);
            if (_hostRate[_operation[lane]] > 0)
            {
                _speed[lane] *= _hostBytesPerSecond / demand;
            }
        }
    }
}
