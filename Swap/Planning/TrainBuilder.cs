using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// One steady period of training. Micro-batches pass through the units in groups, forward and then backward: all of them in one group is
/// layer-major order, one a group is micro-batch-major. One thread.
/// </summary>
/// <remarks>
/// Lanes run in program order, so what is emitted too late in its lane holds up what needs it: reads for the next unit's compute come before
/// reads of states, which may wait for tiles to be written back; and the tiles of an update come in slices between micro-batches.
/// </remarks>
internal sealed class TrainBuilder
{
    private readonly Workload _work;
    private readonly SwapPlan _plan;
    private readonly StepEmitter _emit;
    private readonly int _head;

    // What the backward loads next.
    private int _loadUnit;
    private int _loadMicroBatch;

    private TrainBuilder(Workload work, SwapPlan plan)
    {
        _work = work;
        _plan = plan;
        _emit = StepEmitter.ForTraining(work, plan);
        _head = work.Units.Count - 1;
    }

    /// <summary>Builds it.</summary>
    /// <exception cref="PlanInfeasibleException">The plan has too few slots for any order.</exception>
    public static StepSchedule Build(Workload work, SwapPlan plan) => new TrainBuilder(work, plan).Build();

    private StepSchedule Build()
    {
        for (int first = 0; first < _work.NumMicroBatches; first += _emit.GroupSize)
        {
            Forward(first);
            Backward(first);
        }

        _emit.Gradients.Decide();
        if (_emit.Delayed.IsUnderBackward)
        {
            _emit.Updates.All(0, UpdateTurn.OfThisStep);
        }

        for (int unit = 0; unit <= _head; unit++)
        {
            if (_plan.Update == UpdateMode.Separate)
            {
                _emit.Updates.All(unit, UpdateTurn.OfThisStep);
            }
            else if (_plan.Update == UpdateMode.Speculative)
            {
                _emit.Updates.All(unit, UpdateTurn.Again);
            }
        }

        if (!_emit.Delayed.HasAny)
        {
            _emit.Updates.Commit(isDelayed: false);
        }

        return _emit.Build();
    }

    private void Forward(int first)
    {
        DelayedQueue? updates = first == 0 && _emit.Delayed.HasAny ? new DelayedQueue(_emit.Updates, _emit.Delayed, _head + 1) : null;
        AdvanceTo(0, 0);
        for (int unit = 0; unit <= _head; unit++)
        {
            _emit.Weights.Ensure(unit);
            for (int i = 0; i < _emit.GroupSize; i++)
            {
                AdvanceTo(unit + 1, i);
                if (i == 0)
                {
                    _emit.Weights.Prefetch(unit + 1);
                }

                if (unit == _head)
                {
                    _emit.Compute.HeadLoss(first + i);
                }
                else
                {
                    _emit.Compute.Forward(unit, first + i);
                }
            }

            // The last layer's stay for its backward.
            if (unit < _head - 1)
            {
                _emit.Weights.Release(unit);
            }
        }

        // All of a unit, of the next one as much as micro-batches are done, and what is on its way between a read of states and the write that
        // makes room for another: a unit's weights are then read back from the drives when its states have just been written.
        void AdvanceTo(int unit, int numMicroBatches)
        {
            if (updates is not null && !updates.IsDone)
            {
                int end = updates.EndOf(unit);
                updates.AdvanceTo(end + ((updates.EndOf(unit + 1) - end) * numMicroBatches / _emit.GroupSize) + _plan.TileSlots);
                if (updates.IsDone)
                {
                    _emit.Updates.Commit(isDelayed: true);
                }
            }
        }
    }

    private void Backward(int first)
    {
        int end = first + _emit.GroupSize;
        bool isLast = end == _work.NumMicroBatches;
        bool hasUpdates = isLast && _emit.Delayed.IsUnderBackward;
        _loadUnit = _head - 1;
        _loadMicroBatch = first;
        if (isLast)
        {
            _emit.Gradients.Finish(_head);
        }

        for (int unit = _head - 1; unit >= 0; unit--)
        {
            bool isLayer = unit > 0;
            bool isNextLayer = unit > 1;
            if (isLayer)
            {
                _emit.Weights.Ensure(unit);
            }

            for (int microBatch = first; microBatch < end; microBatch++)
            {
                LoadAhead(unit, microBatch, first, end);
                if (microBatch > 0 && isLayer)
                {
                    _emit.Gradients.LoadSums(unit);
                }

                if (microBatch == first && isNextLayer)
                {
                    // Two ahead: from the drives they come behind reads of states, which wait for this unit's gradients. Farther ahead they would
                    // hold up activations.
                    _emit.Weights.Prefetch(unit - 1);
                    if (unit > 2)
                    {
                        _emit.Weights.Prefetch(unit - 2);
                    }

                    if (first > 0)
                    {
                        _emit.Gradients.PrefetchSums(unit - 1);
                    }
                }

                if (hasUpdates)
                {
                    _emit.Updates.Slice(unit + 1, UpdateTurn.OfThisStep, microBatch - first, _emit.GroupSize);
                }

                _emit.Compute.Backward(unit, microBatch);
            }

            // The first layer's stay for the next micro-batch's forward.
            if (isLayer && (isLast || isNextLayer))
            {
                _emit.Weights.Release(unit);
            }

            if (isLast)
            {
                _emit.Gradients.Finish(unit);
            }
            else
            {
                _emit.Gradients.SaveSums(unit);
            }
        }
    }

    /// <summary>Loads what this backward needs, and what the next ones need as far as there is room.</summary>
    private void LoadAhead(int unit, int microBatch, int first, int end)
    {
        while (_loadUnit > 0 && (IsDue() || _emit.Activations.CanLoad(_loadUnit)))
        {
            _emit.Activations.Load(_loadUnit, _loadMicroBatch);
            _loadMicroBatch++;
            if (_loadMicroBatch == end)
            {
                _loadMicroBatch = first;
                _loadUnit--;
            }
        }

        bool IsDue() => _loadUnit > unit || (_loadUnit == unit && _loadMicroBatch <= microBatch);
    }
}
