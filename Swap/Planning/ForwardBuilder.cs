using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Forward alone, micro-batches in groups as in training, so that it needs little more memory, if any: more weights may pass
/// through CPU memory at a time. Stateless.</summary>
internal static class ForwardBuilder
{
    /// <summary>Builds it.</summary>
    public static StepSchedule Build(Workload work, SwapPlan plan)
    {
        var emit = StepEmitter.ForForward(work, plan);
        int head = work.Units.Count - 1;
        for (int first = 0; first < work.NumMicroBatches; first += emit.GroupSize)
        {
            for (int unit = 0; unit <= head; unit++)
            {
                emit.Weights.Ensure(unit);
                emit.Weights.Prefetch(unit + 1);
                for (int microBatch = first; microBatch < first + emit.GroupSize; microBatch++)
                {
                    if (unit == head)
                    {
                        emit.Compute.ForwardLoss(microBatch);
                    }
                    else
                    {
                        emit.Compute.Forward(unit, microBatch);
                    }
                }

                emit.Weights.Release(unit);
            }
        }

        return emit.Build();
    }
}
