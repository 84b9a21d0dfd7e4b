using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Forward and backward of one unit over one micro-batch. One thread.</summary>
internal sealed class ComputeEmitter(PlanContext context, WeightEmitter weights, ActivationEmitter activations, GradientEmitter gradients)
{
    private bool _hasBegun;

    /// <summary>One unit's forward; its output and activations are taken care of as the plan says.</summary>
    public void Forward(int unit, int microBatch)
    {
        UnitShape shape = context.Work.Units[unit];
        bool isTraining = context.Pass == Pass.Train;
        List<SlotAccess> accesses = context.NewAccesses();
        weights.AddTo(accesses, unit);
        if (unit > 0)
        {
            accesses.Add(ReadInput(unit, microBatch));
        }

        accesses.Add(PlanContext.Write(activations.TakeInput(unit + 1, microBatch), ActivationEmitter.InputOf(unit + 1, microBatch)));
        if (isTraining && context.Sizes.KeptBytes(unit) > 0)
        {
            accesses.Add(PlanContext.Write(context.Slots.Kept(unit, microBatch), PlanContext.Of(ContentKind.KeptActivations, unit, microBatch)));
        }

        if (isTraining && context.Sizes.SwappedBytes(unit) > 0)
        {
            long content = ActivationEmitter.ActivationsOf(unit, microBatch);
            accesses.Add(PlanContext.Write(context.Slots.Activations.Take(content), content));
        }

        if (isTraining && !_hasBegun && context.Plan.Order == StepOrder.ZeroInfinity)
        {
            accesses.Add(PlanContext.Read(context.Slots.StepEnd, PlanContext.Of(ContentKind.StepEnd, 0)));
        }

        _hasBegun = true;
        context.Add(
            context.Make(OperationKind.Forward, unit, microBatch) with { Flops = shape.Flops, AttentionFlops = shape.AttentionFlops }, accesses);
        if (isTraining)
        {
            activations.SaveInput(unit + 1, microBatch);
            activations.SaveActivations(unit, microBatch);
        }

        if (unit > 0)
        {
            activations.ReleaseInput(unit, microBatch);
        }
    }

    /// <summary>Loss of one micro-batch, and the head's backward.</summary>
    public void HeadLoss(int microBatch)
    {
        int head = context.Head;
        List<SlotAccess> accesses = HeadAccesses(microBatch);
        accesses.Add(PlanContext.Write(context.Slots.HiddenGradient(microBatch), PlanContext.Of(ContentKind.HiddenGradient, head, microBatch)));
        gradients.AddTo(accesses, head, isFirst: microBatch == 0);
        if (context.Work.IsTied)
        {
            accesses.Add(new(context.Slots.TiedSum, microBatch == 0 ? AccessMode.Write : AccessMode.Update, PlanContext.Of(ContentKind.TiedGradientSum, head)));
        }

        context.Add(context.Make(OperationKind.HeadLoss, head, microBatch) with { Flops = context.Work.Units[head].Flops }, accesses);
        activations.ReleaseInput(head, microBatch);
    }

    /// <summary>Loss of one micro-batch alone.</summary>
    public void ForwardLoss(int microBatch)
    {
        int head = context.Head;

        // Loss and backward are three products; the loss alone is one.
        context.Add(
            context.Make(OperationKind.ForwardLoss, head, microBatch) with { Flops = context.Work.Units[head].Flops / 3 }, HeadAccesses(microBatch));
        activations.ReleaseInput(head, microBatch);
    }

    /// <summary>One unit's backward.</summary>
    public void Backward(int unit, int microBatch)
    {
        UnitShape shape = context.Work.Units[unit];
        int hiddenGradient = context.Slots.HiddenGradient(microBatch);
        List<SlotAccess> accesses = context.NewAccesses();
        accesses.Add(PlanContext.Read(hiddenGradient, PlanContext.Of(ContentKind.HiddenGradient, unit + 1, microBatch)));
        gradients.AddTo(accesses, unit, isFirst: microBatch == 0);
        double flops = 2 * shape.Flops;
        double attentionFlops = 2.5 * shape.AttentionFlops; // FlashAttention-2 (Dao 2023): five products for the forward's two.
        long swapped = ActivationEmitter.ActivationsOf(unit, microBatch);
        bool isSwapped = context.Sizes.SwappedBytes(unit) > 0;
        if (unit > 0)
        {
            weights.AddTo(accesses, unit);
            accesses.Add(ReadInput(unit, microBatch));
            accesses.Add(PlanContext.Write(hiddenGradient, PlanContext.Of(ContentKind.HiddenGradient, unit, microBatch)));
            if (context.Sizes.KeptBytes(unit) > 0)
            {
                accesses.Add(PlanContext.Read(context.Slots.Kept(unit, microBatch), PlanContext.Of(ContentKind.KeptActivations, unit, microBatch)));
            }

            if (isSwapped)
            {
                accesses.Add(PlanContext.Read(context.Slots.Activations[swapped], swapped));
            }

            for (int i = 0; i < shape.Activations.Count; i++)
            {
                bool isGone = context.Plan.Units[unit].Activations[i] == ActivationPolicy.Recompute;
                flops += isGone ? shape.Activations[i].RecomputeFlops : 0;
                attentionFlops += isGone ? shape.Activations[i].RecomputeAttentionFlops : 0;
            }
        }

        context.Add(context.Make(OperationKind.Backward, unit, microBatch) with { Flops = flops, AttentionFlops = attentionFlops }, accesses);
        if (unit > 0)
        {
            activations.ReleaseInput(unit, microBatch);
            if (isSwapped)
            {
                context.Slots.Activations.Release(swapped);
            }
        }
    }

    private List<SlotAccess> HeadAccesses(int microBatch)
    {
        List<SlotAccess> accesses = context.NewAccesses();
        weights.AddTo(accesses, context.Head);
        if (context.Work.IsTied)
        {
            weights.AddTo(accesses, 0);
        }

        accesses.Add(ReadInput(context.Head, microBatch));
        return accesses;
    }

    private SlotAccess ReadInput(int unit, int microBatch) => PlanContext.Read(activations.Input(unit, microBatch), ActivationEmitter.InputOf(unit, microBatch));
}
