using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>The optimizer over a unit's tiles, what brings them and takes them away, and the commit. One thread.</summary>
internal sealed class UpdateEmitter(PlanContext context, WeightEmitter weights, GradientEmitter gradients)
{
    private static readonly long Decision = PlanContext.Of(ContentKind.Decision, 0);

    private int _gradient = Operation.None;
    private bool _bringsWeights;

    /// <summary>All tiles of a unit whose turn it is.</summary>
    public void All(int unit, UpdateTurn turn) => Slice(unit, turn, 0, 1);

    /// <summary>A part of them, so that other work comes in between.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="turn">Which of its tiles.</param>
    /// <param name="slice">From 0.</param>
    /// <param name="numSlices">Of how many.</param>
    public void Slice(int unit, UpdateTurn turn, int slice, int numSlices)
    {
        int count = context.Delayed.TilesOf(unit, turn).Length;
        Range(unit, turn, count * slice / numSlices, count * (slice + 1) / numSlices);
    }

    /// <summary>Some of them. A unit's follow each other: nothing of another unit's comes between its first and its last.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="turn">Which of its tiles.</param>
    /// <param name="first">The first of those.</param>
    /// <param name="end">One after the last.</param>
    /// <param name="isBeforeForward">The unit's forward comes next, so that its weights may come with the update.</param>
    public void Range(int unit, UpdateTurn turn, int first, int end, bool isBeforeForward = false)
    {
        int[] tiles = context.Delayed.TilesOf(unit, turn);
        Operation template = context.Make(OperationKind.UpdateStates, unit) with
        {
            Guard = turn == UpdateTurn.Again ? Guard.IfRedone : Guard.None,
            IsDelayed = turn == UpdateTurn.OfStepBefore,
        };
        for (int i = first; i < end; i++)
        {
            if (i == 0)
            {
                _gradient = gradients.Open(unit, template, Condition(turn));

                // Only if all of the unit passes by.
                _bringsWeights = isBeforeForward && tiles.Length == context.Sizes.NumTiles(unit) && weights.TryTakeForUpdate(unit);
            }

            Tile(template with { Tile = tiles[i], BringsWeights = _bringsWeights }, turn);
            if (i == tiles.Length - 1)
            {
                gradients.Close(unit);
            }
        }
    }

    /// <summary>Makes the step durable whose last new states were written before.</summary>
    /// <param name="isDelayed">It is the step of the period before.</param>
    public void Commit(bool isDelayed)
    {
        if (!context.Plan.IsDurable)
        {
            return;
        }

        Operation commit = context.Make(OperationKind.Commit, Operation.None) with { IsDelayed = isDelayed };
        List<SlotAccess> accesses = context.NewAccesses();
        if (!isDelayed && context.Delayed.IsUnderBackward)
        {
            // States may all be written before it is known whether the step counts.
            accesses.Add(PlanContext.Read(context.Slots.Decision, Decision));
        }

        AddStepEnd(accesses);
        context.Add(commit, accesses);
    }

    private SlotAccess[] Condition(UpdateTurn turn) => turn == UpdateTurn.Again ? [PlanContext.Read(context.Slots.Decision, Decision)] : [];

    private void Tile(Operation template, UpdateTurn turn)
    {
        int unit = template.Unit;
        int tile = template.Tile;
        Tier home = context.Plan.Units[unit].States;
        long content = PlanContext.Of(ContentKind.States, unit, tile);
        long count = context.Sizes.TileParameters(unit, tile);
        long sizeBytes = count * context.Work.StateBytes;
        SlotPool tiles = context.Slots.Tiles;
        int slot = home switch
        {
            Tier.Nvme => tiles.Take(content),
            Tier.Cpu => context.Slots.HostStates(unit, tile),
            _ => context.Slots.GpuStates(unit, tile),
        };
        if (home == Tier.Nvme)
        {
            Transfer(template, OperationKind.ReadStates, sizeBytes, turn, context.Slots.Stored(unit, tile), slot, content);
        }

        AddUpdate(template, turn, home, slot, content, count);
        if (!context.Plan.IsDurable)
        {
            return;
        }

        int from = slot;
        if (home == Tier.Gpu)
        {
            from = tiles.Take(content);
            Transfer(template, OperationKind.SaveStates, sizeBytes, turn, slot, from, content);
        }

        long writtenBytes = count * (context.Work.StateWriteBytes ?? context.Work.StateBytes);
        Transfer(template with { BringsWeights = false }, OperationKind.WriteStates, writtenBytes, turn, from, context.Slots.Stored(unit, tile), content);
        if (home != Tier.Cpu)
        {
            tiles.Release(content);
        }
    }

    private void AddUpdate(Operation template, UpdateTurn turn, Tier home, int slot, long content, long count)
    {
        int unit = template.Unit;
        List<SlotAccess> accesses = context.NewAccesses();
        accesses.Add(PlanContext.Update(slot, content));
        accesses.Add(PlanContext.Read(_gradient, GradientEmitter.GradientOf(unit)));

        // Under the backward, too, the step before is decided: on the CPU's lane in any case, on the GPU's because it waits for that.
        if (turn != UpdateTurn.OfThisStep || !context.Delayed.IsUnderBackward || home == Tier.Gpu)
        {
            accesses.Add(PlanContext.Read(context.Slots.Decision, Decision));
        }

        AddStepEnd(accesses);
        if (home == Tier.Gpu)
        {
            weights.AddTo(accesses, unit, AccessMode.Update);
            context.Add(template with { Kind = OperationKind.UpdateOnGpu, Amount = count }, accesses);
            return;
        }

        long weight = PlanContext.Of(ContentKind.Weights, unit);
        if (context.Plan.Units[unit].Weights != Tier.Nvme)
        {
            accesses.Add(PlanContext.Update(context.Slots.CpuWeights(unit), weight));
        }
        else if (template.BringsWeights)
        {
            accesses.Add(new(context.Slots.HostWeights[weight], template.Tile == 0 ? AccessMode.Write : AccessMode.Update, weight));
        }

        context.Add(template with { Amount = count, HostBytes = count * ((2L * context.Work.StateBytes) + context.Work.GradientBytes) }, accesses);
    }

    // Whoever is last ends the step: the next one's first forward waits for it.
    private void AddStepEnd(List<SlotAccess> accesses)
    {
        if (context.Plan.Order == StepOrder.ZeroInfinity)
        {
            accesses.Add(PlanContext.Write(context.Slots.StepEnd, PlanContext.Of(ContentKind.StepEnd, 0)));
        }
    }

    private void Transfer(in Operation template, OperationKind kind, long sizeBytes, UpdateTurn turn, int from, int to, long content)
    {
        List<SlotAccess> accesses = context.NewAccesses();
        accesses.Add(PlanContext.Read(from, content));
        accesses.Add(PlanContext.Write(to, content));
        if (turn == UpdateTurn.Again)
        {
            accesses.Add(PlanContext.Read(context.Slots.Decision, Decision));
        }

        context.Add(template with { Kind = kind, Amount = sizeBytes, HostBytes = sizeBytes }, accesses);
    }
}
