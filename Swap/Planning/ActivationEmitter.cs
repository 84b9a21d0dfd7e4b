using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Inputs and activations of layers: where they are on the GPU, and their way out and back. One thread.</summary>
internal sealed class ActivationEmitter(PlanContext context)
{
    /// <summary>Takes a slot for a unit's input, which the unit before is about to write or a load to bring.</summary>
    public int TakeInput(int unit, int microBatch) =>
        IsInputKept(unit) ? context.Slots.KeptInput(unit, microBatch) : context.Slots.Hidden.Take(InputOf(unit, microBatch));

    /// <summary>Where a unit's input is on the GPU.</summary>
    public int Input(int unit, int microBatch) =>
        IsInputKept(unit) ? context.Slots.KeptInput(unit, microBatch) : context.Slots.Hidden[InputOf(unit, microBatch)];

    /// <summary>The input is not needed on the GPU any more, or is there for good.</summary>
    public void ReleaseInput(int unit, int microBatch)
    {
        if (!IsInputKept(unit))
        {
            context.Slots.Hidden.Release(InputOf(unit, microBatch));
        }
    }

    /// <summary>Sends a unit's input, just computed, to where it waits for the backward.</summary>
    public void SaveInput(int unit, int microBatch)
    {
        if (context.IsLayer(unit) && !IsInputKept(unit))
        {
            Save(Input(unit, microBatch), context.Slots.SavedInput(unit, microBatch), unit, microBatch, InputOf(unit, microBatch), context.Work.HiddenBytes);
        }
    }

    /// <summary>Sends what a unit's backward needs of its forward to where it waits, if it does.</summary>
    public void SaveActivations(int unit, int microBatch)
    {
        long sizeBytes = context.Sizes.SwappedBytes(unit);
        if (sizeBytes > 0)
        {
            long content = ActivationsOf(unit, microBatch);
            Save(context.Slots.Activations[content], context.Slots.SavedActivations(unit, microBatch), unit, microBatch, content, sizeBytes);
            context.Slots.Activations.Release(content);
        }
    }

    /// <summary>Whether there is room on the GPU for what a backward needs.</summary>
    public bool CanLoad(int unit) =>
        (!context.IsLayer(unit) || IsInputKept(unit) || context.Slots.Hidden.HasFree)
        && (context.Sizes.SwappedBytes(unit) == 0 || context.Slots.Activations.HasFree);

    /// <summary>Brings what a backward needs to the GPU.</summary>
    public void Load(int unit, int microBatch)
    {
        if (context.IsLayer(unit) && !IsInputKept(unit))
        {
            long content = InputOf(unit, microBatch);
            Load(context.Slots.SavedInput(unit, microBatch), context.Slots.Hidden, unit, microBatch, content, context.Work.HiddenBytes);
        }

        long sizeBytes = context.Sizes.SwappedBytes(unit);
        if (sizeBytes > 0)
        {
            Load(context.Slots.SavedActivations(unit, microBatch), context.Slots.Activations, unit, microBatch, ActivationsOf(unit, microBatch), sizeBytes);
        }
    }

    /// <summary>The number of a unit's input.</summary>
    public static long InputOf(int unit, int microBatch) => PlanContext.Of(ContentKind.Input, unit, microBatch);

    /// <summary>The number of a unit's swapped activations.</summary>
    public static long ActivationsOf(int unit, int microBatch) => PlanContext.Of(ContentKind.Activations, unit, microBatch);

    // Without a backward nothing need stay.
    private bool IsInputKept(int unit) => context.Pass == Pass.Train && context.IsLayer(unit) && context.Plan.Units[unit].Input == Tier.Gpu;

    private void Save(int from, SavedPlace to, int unit, int microBatch, long content, long sizeBytes)
    {
        int host = to.IsStaged ? context.Slots.Staging.Take(content) : to.Slot;
        context.Builder.Add(
            context.MakeTransfer(OperationKind.SaveActivations, unit, sizeBytes, microBatch),
            PlanContext.Read(from, content),
            PlanContext.Write(host, content));
        if (to.IsStaged)
        {
            context.Builder.Add(
                context.MakeTransfer(OperationKind.WriteActivations, unit, sizeBytes, microBatch),
                PlanContext.Read(host, content),
                PlanContext.Write(to.Slot, content));
            context.Slots.Staging.Release(content);
        }
    }

    private void Load(SavedPlace from, SlotPool to, int unit, int microBatch, long content, long sizeBytes)
    {
        int host = from.Slot;
        if (from.IsStaged)
        {
            host = context.Slots.Staging.Take(content);
            context.Builder.Add(
                context.MakeTransfer(OperationKind.ReadActivations, unit, sizeBytes, microBatch),
                PlanContext.Read(from.Slot, content),
                PlanContext.Write(host, content));
        }

        context.Builder.Add(
            context.MakeTransfer(OperationKind.LoadActivations, unit, sizeBytes, microBatch),
            PlanContext.Read(host, content),
            PlanContext.Write(to.Take(content), content));
        if (from.IsStaged)
        {
            context.Slots.Staging.Release(content);
        }
    }
}
