using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// The operations that every order of work is made of, over the slots of a plan. Each call adds operations in program order; the order of the
/// calls is the builder's whole decision. One thread.
/// </summary>
internal sealed class StepEmitter
{
    private readonly Workload _work;
    private readonly SwapPlan _plan;
    private readonly ScheduleBuilder _builder = new();
    private readonly UnitSlots _slots;

    public StepEmitter(Workload work, SwapPlan plan, int numHiddenSlots)
    {
        _work = work;
        _plan = plan;
        _slots = new UnitSlots(work, plan, _builder, numHiddenSlots);
    }

    public StepSchedule Build() => _builder.Build();

    /// <summary>Brings a unit's weights to the GPU, if they are not there.</summary>
    public void EnsureWeights(int unit)
    {
        SlotPool pool = _slots.Weights(unit);
        long content = Of(ContentKind.Weights, unit);
        if (pool.Holds(content))
        {
            return;
        }

        long sizeBytes = _work.Units[unit].NumParameters * _work.WeightBytes;
        int host = HostWeights(unit, content, sizeBytes);
        _builder.Add(
            Make(OperationKind.LoadWeights, unit) with { Amount = sizeBytes, HostBytes = sizeBytes },
            new(host, AccessMode.Read, content),
            new(pool.Take(content), AccessMode.Write, content));
        if (_plan.Units[unit].Weights == Tier.Nvme)
        {
            _slots.HostWeights.Release(content);
        }
    }

    /// <summary>The weights' slot may be taken by another unit's.</summary>
    public void ReleaseWeights(int unit)
    {
        if (_plan.Units[unit].Weights != Tier.Gpu)
        {
            _slots.Weights(unit).Release(Of(ContentKind.Weights, unit));
        }
    }

    /// <summary>One unit's forward over one micro-batch; its input and activations are taken care of as the plan says.</summary>
    public void Forward(int unit, int microBatch)
    {
        UnitShape shape = _work.Units[unit];
        var accesses = new List<SlotAccess> { Weights(unit) };
        if (shape.Role != UnitRole.Embedding)
        {
            accesses.Add(Read(_slots.Input(unit, microBatch), ContentKind.Input, unit, microBatch));
        }

        accesses.Add(Write(_slots.TakeInput(unit + 1, microBatch), ContentKind.Input, unit + 1, microBatch));
        long activations = Of(ContentKind.Activations, unit, microBatch);
        if (_slots.KeptBytes(unit) > 0)
        {
            accesses.Add(new(_slots.Kept(unit, microBatch), AccessMode.Write, Of(ContentKind.KeptActivations, unit, microBatch)));
        }

        if (_slots.SwappedBytes(unit) > 0)
        {
            accesses.Add(new(_slots.Activations.Take(activations), AccessMode.Write, activations));
        }

        _builder.Add(Make(OperationKind.Forward, unit, microBatch) with { Flops = shape.Flops, AttentionFlops = shape.AttentionFlops }, [.. accesses]);
        if (shape.Role != UnitRole.Embedding)
        {
            SaveInput(unit, microBatch);
        }

        if (_slots.SwappedBytes(unit) > 0)
        {
            Save(_slots.Activations[activations], _slots.SavedActivations(unit, microBatch), unit, microBatch, activations, _slots.SwappedBytes(unit));
            _slots.Activations.Release(activations);
        }
    }

    /// <summary>Loss of one micro-batch, and the head's backward.</summary>
    public void HeadLoss(int unit, int microBatch)
    {
        UnitShape shape = _work.Units[unit];
        var accesses = new List<SlotAccess>
        {
            Weights(unit),
            Read(_slots.Input(unit, microBatch), ContentKind.Input, unit, microBatch),
            Write(_slots.HiddenGradient(microBatch), ContentKind.HiddenGradient, unit, microBatch),
            Sum(unit, isFirst: microBatch == 0),
        };
        if (_work.IsTied)
        {
            accesses.Add(Weights(0));
            accesses.Add(new(_slots.TiedSum, microBatch == 0 ? AccessMode.Write : AccessMode.Update, Of(ContentKind.TiedGradientSum, unit)));
        }

        _builder.Add(Make(OperationKind.HeadLoss, unit, microBatch) with { Flops = shape.Flops }, [.. accesses]);
        _slots.ReleaseInput(unit, microBatch);
    }

    /// <summary>Brings what a backward needs to the GPU.</summary>
    public void LoadForBackward(int unit, int microBatch)
    {
        if (_work.Units[unit].Role == UnitRole.Layer && _plan.Units[unit].Input != Tier.Gpu)
        {
            long content = Of(ContentKind.Input, unit, microBatch);
            Load(_slots.SavedInput(unit, microBatch), () => _slots.TakeInput(unit, microBatch), unit, microBatch, content, _work.HiddenBytes);
        }

        if (_slots.SwappedBytes(unit) > 0)
        {
            long content = Of(ContentKind.Activations, unit, microBatch);
            Load(_slots.SavedActivations(unit, microBatch), () => _slots.Activations.Take(content), unit, microBatch, content, _slots.SwappedBytes(unit));
        }
    }

    /// <summary>One unit's backward over one micro-batch.</summary>
    public void Backward(int unit, int microBatch)
    {
        UnitShape shape = _work.Units[unit];
        bool isLayer = shape.Role == UnitRole.Layer;
        long activations = Of(ContentKind.Activations, unit, microBatch);
        var accesses = new List<SlotAccess>
        {
            new(_slots.HiddenGradient(microBatch), AccessMode.Read, Of(ContentKind.HiddenGradient, unit + 1, microBatch)),
            Sum(unit, isFirst: microBatch == 0),
        };
        double flops = 2 * shape.Flops;
        double attentionFlops = 2.5 * shape.AttentionFlops; // FlashAttention-2 (Dao 2023): five products for the forward's two.
        if (isLayer)
        {
            accesses.Add(Weights(unit));
            accesses.Add(Read(_slots.Input(unit, microBatch), ContentKind.Input, unit, microBatch));
            accesses.Add(new(_slots.HiddenGradient(microBatch), AccessMode.Write, Of(ContentKind.HiddenGradient, unit, microBatch)));
            if (_slots.KeptBytes(unit) > 0)
            {
                accesses.Add(new(_slots.Kept(unit, microBatch), AccessMode.Read, Of(ContentKind.KeptActivations, unit, microBatch)));
            }

            if (_slots.SwappedBytes(unit) > 0)
            {
                accesses.Add(new(_slots.Activations[activations], AccessMode.Read, activations));
            }

            for (int i = 0; i < shape.Activations.Count; i++)
            {
                bool isGone = _plan.Units[unit].Activations[i] == ActivationPolicy.Recompute;
                flops += isGone ? shape.Activations[i].RecomputeFlops : 0;
                attentionFlops += isGone ? shape.Activations[i].RecomputeAttentionFlops : 0;
            }
        }

        _builder.Add(Make(OperationKind.Backward, unit, microBatch) with { Flops = flops, AttentionFlops = attentionFlops }, [.. accesses]);
        if (isLayer)
        {
            _slots.ReleaseInput(unit, microBatch);
            if (_slots.SwappedBytes(unit) > 0)
            {
                _slots.Activations.Release(activations);
            }
        }
    }

    /// <summary>After a unit's last backward: its gradients are rounded, leave the GPU, and are counted in the norm.</summary>
    public void FinishGradients(int unit)
    {
        long count = _work.Units[unit].NumParameters;
        long sum = Of(ContentKind.GradientSum, unit);
        long content = Of(ContentKind.Gradient, unit);
        int slot = _slots.Sums(unit)[sum];
        List<SlotAccess> accesses = [new(slot, AccessMode.Read, sum), new(slot, AccessMode.Write, content)];
        if (_work.IsTied && unit == 0)
        {
            accesses.Add(new(_slots.TiedSum, AccessMode.Read, Of(ContentKind.TiedGradientSum, _work.Units.Count - 1)));
        }

        _builder.Add(Make(OperationKind.RoundGradients, unit), [.. accesses]);
        long sizeBytes = count * _work.GradientBytes;
        _builder.Add(
            Make(OperationKind.SaveGradients, unit) with { Amount = sizeBytes, HostBytes = sizeBytes },
            new(slot, AccessMode.Read, content),
            new(_slots.HostGradient(unit), AccessMode.Write, content));
        _slots.Sums(unit).Release(sum);
        bool isFirst = unit == _work.Units.Count - 1;
        _builder.Add(
            Make(OperationKind.GradientNorm, unit) with { HostBytes = sizeBytes },
            new(_slots.HostGradient(unit), AccessMode.Read, content),
            new(_slots.Norm, isFirst ? AccessMode.Write : AccessMode.Update, Of(ContentKind.Norm, 0)));
    }

    /// <summary>After the last unit's gradients: whether the step counts.</summary>
    public void Decide() => _builder.Add(
        Make(OperationKind.DecideStep, Operation.None),
        new(_slots.Norm, AccessMode.Read, Of(ContentKind.Norm, 0)),
        new(_slots.Decision, AccessMode.Write, Of(ContentKind.Decision, 0)));

    /// <summary>The optimizer over one unit, tile by tile.</summary>
    public void Update(int unit)
    {
        long numParameters = _work.Units[unit].NumParameters;
        bool isOnDrives = _plan.Units[unit].States == Tier.Nvme;
        int numTiles = _slots.NumTiles(unit);
        for (int tile = 0; tile < numTiles; tile++)
        {
            long count = Math.Min(_work.TileParameters, numParameters - (tile * _work.TileParameters));
            long content = Of(ContentKind.States, unit, tile);
            long sizeBytes = count * _work.StateBytes;
            int slot;
            if (isOnDrives)
            {
                slot = _slots.Tiles.Take(content);
                _builder.Add(
                    Make(OperationKind.ReadStates, unit, tile: tile) with { Amount = sizeBytes, HostBytes = sizeBytes },
                    new(_slots.Stored(unit, tile), AccessMode.Read, content),
                    new(slot, AccessMode.Write, content));
            }
            else
            {
                slot = _slots.HostStates(unit, tile);
            }

            var accesses = new List<SlotAccess>
            {
                new(slot, AccessMode.Update, content),
                new(_slots.HostGradient(unit), AccessMode.Read, Of(ContentKind.Gradient, unit)),
            };
            if (_plan.Update != UpdateMode.Immediate)
            {
                accesses.Add(new(_slots.Decision, AccessMode.Read, Of(ContentKind.Decision, 0)));
            }

            if (_plan.Units[unit].Weights != Tier.Nvme)
            {
                accesses.Add(new(_slots.CpuWeights(unit), AccessMode.Update, Of(ContentKind.Weights, unit)));
            }

            _builder.Add(
                Make(OperationKind.UpdateStates, unit, tile: tile) with { Amount = count, HostBytes = count * ((2L * _work.StateBytes) + _work.GradientBytes) },
                [.. accesses]);
            if (_plan.IsDurable)
            {
                _builder.Add(
                    Make(OperationKind.WriteStates, unit, tile: tile) with { Amount = count * (_work.StateWriteBytes ?? _work.StateBytes), HostBytes = sizeBytes },
                    new(slot, AccessMode.Read, content),
                    new(_slots.Stored(unit, tile), AccessMode.Write, content));
            }

            if (isOnDrives)
            {
                _slots.Tiles.Release(content);
            }
        }
    }

    /// <summary>Whether what a backward of this unit needs could be loaded now.</summary>
    public bool CanLoad(int unit) =>
        (_work.Units[unit].Role != UnitRole.Layer || _plan.Units[unit].Input == Tier.Gpu || _slots.HasFreeHidden)
        && (_slots.SwappedBytes(unit) == 0 || _slots.Activations.HasFree);

    private static long Of(ContentKind kind, int unit, int part = 0) => Content.Of(kind, unit, part);

    private static Operation Make(OperationKind kind, int unit, int microBatch = Operation.None, int tile = Operation.None) =>
        new() { Kind = kind, Unit = unit, MicroBatch = microBatch, Tile = tile };

    private static SlotAccess Read(int slot, ContentKind kind, int unit, int part) => new(slot, AccessMode.Read, Of(kind, unit, part));

    private static SlotAccess Write(int slot, ContentKind kind, int unit, int part) => new(slot, AccessMode.Write, Of(kind, unit, part));

    private SlotAccess Weights(int unit)
    {
        long content = Of(ContentKind.Weights, unit);
        return new(_slots.Weights(unit)[content], AccessMode.Read, content);
    }

    private SlotAccess Sum(int unit, bool isFirst)
    {
        long content = Of(ContentKind.GradientSum, unit);
        SlotPool pool = _slots.Sums(unit);
        return isFirst ? new(pool.Take(content), AccessMode.Write, content) : new(pool[content], AccessMode.Update, content);
    }

    private int HostWeights(int unit, long content, long sizeBytes)
    {
        if (_plan.Units[unit].Weights != Tier.Nvme)
        {
            return _slots.CpuWeights(unit);
        }

        int slot = _slots.HostWeights.Take(content);
        var accesses = new List<SlotAccess> { new(slot, AccessMode.Write, content) };
        for (int tile = 0; tile < _slots.NumTiles(unit); tile++)
        {
            accesses.Add(new(_slots.Stored(unit, tile), AccessMode.Read, Of(ContentKind.States, unit, tile)));
        }

        _builder.Add(Make(OperationKind.ReadWeights, unit) with { Amount = sizeBytes, HostBytes = sizeBytes }, [.. accesses]);
        return slot;
    }

    private void SaveInput(int unit, int microBatch)
    {
        if (_plan.Units[unit].Input == Tier.Gpu)
        {
            return;
        }

        long content = Of(ContentKind.Input, unit, microBatch);
        Save(_slots.Input(unit, microBatch), _slots.SavedInput(unit, microBatch), unit, microBatch, content, _work.HiddenBytes);
        _slots.ReleaseInput(unit, microBatch);
    }

    private void Save(int from, SavedPlace to, int unit, int microBatch, long content, long sizeBytes)
    {
        int host = to.IsStaged ? _slots.Staging.Take(content) : to.Slot;
        _builder.Add(
            Make(OperationKind.SaveActivations, unit, microBatch) with { Amount = sizeBytes, HostBytes = sizeBytes },
            new(from, AccessMode.Read, content),
            new(host, AccessMode.Write, content));
        if (to.IsStaged)
        {
            _builder.Add(
                Make(OperationKind.WriteActivations, unit, microBatch) with { Amount = sizeBytes, HostBytes = sizeBytes },
                new(host, AccessMode.Read, content),
                new(to.Slot, AccessMode.Write, content));
            _slots.Staging.Release(content);
        }
    }

    private void Load(SavedPlace from, Func<int> takeSlot, int unit, int microBatch, long content, long sizeBytes)
    {
        int host = from.Slot;
        if (from.IsStaged)
        {
            host = _slots.Staging.Take(content);
            _builder.Add(
                Make(OperationKind.ReadActivations, unit, microBatch) with { Amount = sizeBytes, HostBytes = sizeBytes },
                new(from.Slot, AccessMode.Read, content),
                new(host, AccessMode.Write, content));
        }

        _builder.Add(
            Make(OperationKind.LoadActivations, unit, microBatch) with { Amount = sizeBytes, HostBytes = sizeBytes },
            new(host, AccessMode.Read, content),
            new(takeSlot(), AccessMode.Write, content));
        if (from.IsStaged)
        {
            _slots.Staging.Release(content);
        }
    }
}
