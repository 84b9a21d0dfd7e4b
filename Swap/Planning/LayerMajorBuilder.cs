using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// All micro-batches pass through a unit before the next unit: its weights come to the GPU once forward and once backward a step, its
/// gradients leave once (GreedySnake's vertical order, 2025).
/// </summary>
internal static class LayerMajorBuilder
{
    /// <summary>Builds one steady period.</summary>
    /// <exception cref="InvalidOperationException">The plan has too few slots for any order.</exception>
    public static StepSchedule Build(Workload work, SwapPlan plan)
    {
        int numUnits = work.Units.Count;
        int head = numUnits - 1;

        // A unit's inputs of all micro-batches, and the first output of it.
        var emit = new StepEmitter(work, plan, work.NumMicroBatches + 1);
        bool[] isLoaded = new bool[numUnits];
        void Ensure(int unit)
        {
            if (unit >= 0 && unit < numUnits && !isLoaded[unit])
            {
                emit.EnsureWeights(unit);
                isLoaded[unit] = true;
            }
        }

        if (plan.Update == UpdateMode.Deferred)
        {
            emit.Update(0);
        }

        for (int unit = 0; unit < numUnits; unit++)
        {
            Ensure(unit);
            if (plan.Update == UpdateMode.Deferred && unit < head)
            {
                emit.Update(unit + 1);
            }

            // One ahead, under this unit's forward; farther ahead only the update could hold it up.
            if (unit < head && (plan.WeightSlots > 1 || work.Units[unit].Role != work.Units[unit + 1].Role))
            {
                Ensure(unit + 1);
            }

            for (int microBatch = 0; microBatch < work.NumMicroBatches; microBatch++)
            {
                if (unit == head)
                {
                    emit.HeadLoss(unit, microBatch);
                }
                else
                {
                    emit.Forward(unit, microBatch);
                }
            }

            if (unit < head && !(work.IsTied && unit == 0))
            {
                emit.ReleaseWeights(unit);
                isLoaded[unit] = false;
            }
        }

        if (work.IsTied)
        {
            emit.ReleaseWeights(0);
        }

        emit.ReleaseWeights(head);
        Array.Clear(isLoaded);
        BackwardOf(emit, work, plan, Ensure, isLoaded);
        return emit.Build();
    }

    private static void BackwardOf(StepEmitter emit, Workload work, SwapPlan plan, Action<int> ensure, bool[] isLoaded)
    {
        int head = work.Units.Count - 1;
        int numMicroBatches = work.NumMicroBatches;
        for (int unit = head; unit >= 0; unit--)
        {
            bool isLayer = work.Units[unit].Role == UnitRole.Layer;
            if (isLayer)
            {
                ensure(unit);
            }

            int next = unit - 1;
            bool isNextLayer = next >= 0 && work.Units[next].Role == UnitRole.Layer;
            int numLoaded = 0;
            for (int microBatch = 0; unit != head && microBatch < numMicroBatches; microBatch++)
            {
                for (; numLoaded < numMicroBatches && (numLoaded <= microBatch || emit.CanLoad(unit)); numLoaded++)
                {
                    emit.LoadForBackward(unit, numLoaded);
                }

                if (microBatch == 0 && isNextLayer && plan.WeightSlots > 1)
                {
                    ensure(next);
                }

                emit.Backward(unit, microBatch);
            }

            if (isLayer)
            {
                emit.ReleaseWeights(unit);
                isLoaded[unit] = false;
            }
            else if (unit == head && isNextLayer)
            {
                ensure(next);
            }

            emit.FinishGradients(unit);
            if (plan.Update == UpdateMode.Immediate)
            {
                emit.Update(unit);
            }
        }

        emit.Decide();
        for (int unit = 0; plan.Update == UpdateMode.Separate && unit <= head; unit++)
        {
            emit.Update(unit);
        }
    }
}
