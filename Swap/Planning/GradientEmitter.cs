using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Gradient sums on the GPU, and finished gradients on their way to the update. One thread.</summary>
internal sealed class GradientEmitter(PlanContext context)
{
    // Layers whose sums take turns, if there are fewer slots than layers, leave the GPU between two micro-batches.
    private readonly bool _areSumsSwapped = Enumerable.Range(0, context.Head).Count(context.Slots.AreSumsShared) > context.Plan.GradientSlots;
    private bool _hasNorm;
    private bool _hasNormOnGpu;

    /// <summary>Adds a unit's sums to what an operation touches: zeroed first, or added to.</summary>
    public void AddTo(List<SlotAccess> accesses, int unit, bool isFirst)
    {
        if (!context.HasParameters(unit))
        {
            return;
        }

        long sum = SumOf(unit);
        bool isShared = context.Slots.AreSumsShared(unit);
        int slot = isShared && isFirst ? context.Slots.SharedSums.Take(sum) : SumSlot(unit);
        accesses.Add(new(slot, isFirst ? AccessMode.Write : AccessMode.Update, sum));
    }

    /// <summary>Brings a unit's sums of earlier micro-batches back to the GPU, if they are not there.</summary>
    public void LoadSums(int unit)
    {
        long sum = SumOf(unit);
        if (!AreSwapped(unit) || context.Slots.SharedSums.Holds(sum))
        {
            return;
        }

        context.Builder.Add(
            context.MakeTransfer(OperationKind.LoadSums, unit, context.Work.Units[unit].NumParameters * sizeof(float)),
            PlanContext.Read(context.Slots.HostSums(unit), sum),
            PlanContext.Write(context.Slots.SharedSums.Take(sum), sum));
    }

    /// <summary>The same, if there is such a layer and room for it now.</summary>
    public void PrefetchSums(int unit)
    {
        if (context.IsLayer(unit) && context.Slots.SharedSums.HasFree)
        {
            LoadSums(unit);
        }
    }

    /// <summary>Makes room for other layers' sums until the next micro-batch.</summary>
    public void SaveSums(int unit)
    {
        if (!AreSwapped(unit))
        {
            return;
        }

        long sum = SumOf(unit);
        context.Builder.Add(
            context.MakeTransfer(OperationKind.SaveSums, unit, context.Work.Units[unit].NumParameters * sizeof(float)),
            PlanContext.Read(SumSlot(unit), sum),
            PlanContext.Write(context.Slots.HostSums(unit), sum));
        context.Slots.SharedSums.Release(sum);
    }

    /// <summary>After a unit's last backward: its gradients are rounded, leave the GPU if their states are elsewhere, and are counted in the norm.</summary>
    public void Finish(int unit)
    {
        if (!context.HasParameters(unit))
        {
            return;
        }

        long content = GradientOf(unit);
        int slot = SumSlot(unit);
        List<SlotAccess> accesses = [PlanContext.Read(slot, SumOf(unit)), PlanContext.Write(slot, content)];
        if (context.Work.IsTied && unit == 0)
        {
            accesses.Add(PlanContext.Read(context.Slots.TiedSum, PlanContext.Of(ContentKind.TiedGradientSum, context.Head)));
        }

        context.Builder.Add(context.Make(OperationKind.RoundGradients, unit), [.. accesses]);
        bool staysOnGpu = context.Plan.Units[unit].States == Tier.Gpu;
        if (staysOnGpu || context.Work.AreNormsOnGpu)
        {
            context.Builder.Add(
                context.Make(OperationKind.NormOnGpu, unit),
                PlanContext.Read(slot, content),
                new(context.Slots.NormOnGpu, _hasNormOnGpu ? AccessMode.Update : AccessMode.Write, PlanContext.Of(ContentKind.Norm, 0, 1)));
            _hasNormOnGpu = true;
        }

        if (!staysOnGpu)
        {
            Save(unit, slot, content);
        }
    }

    /// <summary>Whether the step counts: after the last unit's gradients.</summary>
    public void Decide()
    {
        List<SlotAccess> accesses = [PlanContext.Write(context.Slots.Decision, PlanContext.Of(ContentKind.Decision, 0))];
        if (_hasNorm)
        {
            accesses.Add(PlanContext.Read(context.Slots.Norm, PlanContext.Of(ContentKind.Norm, 0)));
        }

        if (_hasNormOnGpu)
        {
            accesses.Add(PlanContext.Read(context.Slots.NormOnGpu, PlanContext.Of(ContentKind.Norm, 0, 1)));
        }

        context.Builder.Add(context.Make(OperationKind.DecideStep, Operation.None), [.. accesses]);
    }

    /// <summary>Where an update finds a unit's gradients; brings them there if they wait on the drives.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="template">Guard and step of the update.</param>
    /// <param name="condition">What the operation has to wait for beside.</param>
    public int Open(int unit, Operation template, ReadOnlySpan<SlotAccess> condition)
    {
        if (context.Plan.Units[unit].States == Tier.Gpu)
        {
            return SumSlot(unit);
        }

        if (!context.Slots.AreGradientsStaged(unit))
        {
            return context.Slots.HostGradient(unit);
        }

        long content = GradientOf(unit);
        SlotPool staging = context.Slots.GradientStaging;
        if (!staging.Holds(content))
        {
            long sizeBytes = context.Work.Units[unit].NumParameters * context.Work.GradientBytes;
            context.Builder.Add(
                context.MakeTransfer(OperationKind.ReadGradients, unit, sizeBytes) with { Guard = template.Guard, IsDelayed = template.IsDelayed },
                [PlanContext.Read(context.Slots.StoredGradient(unit), content), PlanContext.Write(staging.Take(content), content), .. condition]);
        }

        return staging[content];
    }

    /// <summary>After the last tile of a unit.</summary>
    public void Close(int unit)
    {
        if (context.Slots.AreGradientsStaged(unit))
        {
            context.Slots.GradientStaging.Release(GradientOf(unit));
        }
    }

    /// <summary>The number of a unit's rounded gradients.</summary>
    public static long GradientOf(int unit) => PlanContext.Of(ContentKind.Gradient, unit);

    private static long SumOf(int unit) => PlanContext.Of(ContentKind.GradientSum, unit);

    private bool AreSwapped(int unit) => _areSumsSwapped && context.HasParameters(unit) && context.Slots.AreSumsShared(unit);

    private int SumSlot(int unit) => context.Slots.AreSumsShared(unit) ? context.Slots.SharedSums[SumOf(unit)] : context.Slots.OwnSums(unit);

    private void Save(int unit, int slot, long content)
    {
        long sizeBytes = context.Work.Units[unit].NumParameters * context.Work.GradientBytes;
        bool isStaged = context.Slots.AreGradientsStaged(unit);
        int host = isStaged ? context.Slots.GradientStaging.Take(content) : context.Slots.HostGradient(unit);
        List<SlotAccess> accesses = [PlanContext.Read(slot, content), PlanContext.Write(host, content)];
        if (context.Work.AreNormsOnGpu && context.Plan.Update == UpdateMode.Immediate)
        {
            // An update that cannot be taken back knows whether its gradients are finite.
            accesses.Add(PlanContext.Read(context.Slots.NormOnGpu, PlanContext.Of(ContentKind.Norm, 0, 1)));
        }

        context.Builder.Add(context.MakeTransfer(OperationKind.SaveGradients, unit, sizeBytes), [.. accesses]);
        if (context.Slots.AreSumsShared(unit))
        {
            context.Slots.SharedSums.Release(SumOf(unit));
        }

        if (!context.Work.AreNormsOnGpu)
        {
            context.Builder.Add(
                context.Make(OperationKind.GradientNorm, unit) with { HostBytes = sizeBytes },
                PlanContext.Read(host, content),
                new(context.Slots.Norm, _hasNorm ? AccessMode.Update : AccessMode.Write, PlanContext.Of(ContentKind.Norm, 0)));
            _hasNorm = true;
        }

        if (!isStaged)
        {
            return;
        }

        if (context.Delayed.DoGradientsWait)
        {
            context.Builder.Add(
                context.MakeTransfer(OperationKind.WriteGradients, unit, sizeBytes),
                PlanContext.Read(host, content),
                PlanContext.Write(context.Slots.StoredGradient(unit), content));
        }

        if (!context.Delayed.IsUnderBackward || context.Delayed.TilesOf(unit, UpdateTurn.OfThisStep).Length == 0)
        {
            context.Slots.GradientStaging.Release(content);
        }
    }
}
