using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Weights on their way to the GPU. One thread.</summary>
internal sealed class WeightEmitter(PlanContext context)
{
    // The forward goes through the units in order: this one, and all before it, have been loaded.
    private int _lastLoaded = -1;

    /// <summary>Brings a unit's weights to the GPU, if they are not there.</summary>
    public void Ensure(int unit)
    {
        long content = PlanContext.Of(ContentKind.Weights, unit);
        SlotPool pool = context.Slots.Weights(unit);
        if (!context.HasParameters(unit) || context.Plan.Units[unit].States == Tier.Gpu || pool.Holds(content))
        {
            return;
        }

        long sizeBytes = context.Work.Units[unit].NumParameters * context.Work.WeightBytes;
        bool isOnDrives = context.Plan.Units[unit].Weights == Tier.Nvme;
        int host = !isOnDrives ? context.Slots.CpuWeights(unit)
            : context.Slots.HostWeights.Holds(content) ? context.Slots.HostWeights[content] : ReadFromDrives(unit, content, sizeBytes);
        context.Builder.Add(
            context.MakeTransfer(OperationKind.LoadWeights, unit, sizeBytes),
            PlanContext.Read(host, content),
            PlanContext.Write(pool.Take(content), content));
        if (isOnDrives)
        {
            context.Slots.HostWeights.Release(content);
        }

        _lastLoaded = Math.Max(_lastLoaded, unit);
    }

    /// <summary>
    /// Takes the slot in which a unit's weights come from the drives, for its update to fill: all of it is on its way through CPU memory in any case,
    /// right before the unit's forward. Not if that would leave no slot to those before it, whose weights are yet to be read.
    /// </summary>
    /// <returns>Whether the update is to fill it.</returns>
    public bool TryTakeForUpdate(int unit)
    {
        if (!AreReadFromDrives(unit))
        {
            return false;
        }

        int numNeeded = 1;
        for (int other = _lastLoaded + 1; other < unit; other++)
        {
            numNeeded = AreReadFromDrives(other) && !context.Slots.HostWeights.Holds(PlanContext.Of(ContentKind.Weights, other)) ? 2 : numNeeded;
        }

        bool isTaken = context.Slots.HostWeights.NumFree >= numNeeded;
        if (isTaken)
        {
            _ = context.Slots.HostWeights.Take(PlanContext.Of(ContentKind.Weights, unit));
        }

        return isTaken;
    }

    /// <summary>The same, if there is such a unit and room for it now.</summary>
    public void Prefetch(int unit)
    {
        if (unit >= 0 && unit <= context.Head && context.Slots.Weights(unit).HasFree)
        {
            Ensure(unit);
        }
    }

    /// <summary>The weights' slot may be taken by another layer's. Those that take no turns stay for the rest of the step.</summary>
    public void Release(int unit)
    {
        if (context.HasParameters(unit) && context.Slots.AreWeightsShared(unit))
        {
            context.Slots.Weights(unit).Release(PlanContext.Of(ContentKind.Weights, unit));
        }
    }

    /// <summary>Adds a unit's weights to what an operation touches, if it has any.</summary>
    public void AddTo(List<SlotAccess> accesses, int unit, AccessMode mode = AccessMode.Read)
    {
        if (!context.HasParameters(unit))
        {
            return;
        }

        long content = PlanContext.Of(ContentKind.Weights, unit);
        SlotPool pool = context.Slots.Weights(unit);

        // Weights that are updated where they are were never loaded.
        bool isAtHome = context.Plan.Units[unit].States == Tier.Gpu && !pool.Holds(content);
        accesses.Add(new(isAtHome ? pool.Take(content) : pool[content], mode, content));
    }

    private bool AreReadFromDrives(int unit) => context.HasParameters(unit) && context.Plan.Units[unit].Weights == Tier.Nvme;

    private int ReadFromDrives(int unit, long content, long sizeBytes)
    {
        int slot = context.Slots.HostWeights.Take(content);
        List<SlotAccess> accesses = context.NewAccesses();
        accesses.Add(PlanContext.Write(slot, content));
        int numTiles = context.Sizes.NumTiles(unit);
        if (context.Work.WeightBytes > sizeof(ushort))
        {
            // Both halves of each tile come here and are joined into the slot: it has the last one in the end.
            accesses.Add(PlanContext.Write(context.Slots.Masters, PlanContext.Of(ContentKind.States, unit, numTiles - 1)));
        }

        for (int tile = 0; tile < numTiles; tile++)
        {
            accesses.Add(PlanContext.Read(context.Slots.Stored(unit, tile), PlanContext.Of(ContentKind.States, unit, tile)));
        }

        context.Add(context.MakeTransfer(OperationKind.ReadWeights, unit, sizeBytes), accesses);
        return slot;
    }
}
