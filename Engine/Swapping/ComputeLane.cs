using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>Operations of <see cref="Lane.Compute"/>, on its thread.</summary>
/// <param name="slots">The schedule's slots.</param>
/// <param name="engine">What the lanes share.</param>
internal sealed unsafe class ComputeLane(SlotTable slots, SwapEngine engine)
{
    private static readonly ActivationPolicy[] Nothing = [.. Enumerable.Repeat(ActivationPolicy.Recompute, ActivationSizes.NumActivations)];

    private readonly IUnitCompute _compute = engine.Compute;

    /// <summary>Runs one operation.</summary>
    public void Run(int index, in Operation operation, StepInFlight step)
    {
        switch (operation.Kind)
        {
            case OperationKind.Forward:
                Forward(index, operation, step);
                break;
            case OperationKind.HeadLoss:
                HeadLoss(index, operation, step);
                break;
            case OperationKind.ForwardLoss:
                ForwardLoss(index, operation, step);
                break;
            case OperationKind.Backward:
                Backward(index, operation, step);
                break;
            case OperationKind.RoundGradients:
                _compute.RoundGradients(operation.Unit, slots.Find(index, ContentKind.GradientSum, operation.Unit), slots.Find(index, ContentKind.TiedGradientSum));
                break;
            case OperationKind.NormOnGpu:
                _compute.SumOfSquares(operation.Unit, Gradient(index, operation.Unit), step.SumsOfSquares + operation.Unit);
                break;
            case OperationKind.UpdateOnGpu:
                engine.Updates.OnGpu(slots, index, operation, step);
                break;
            default:
                throw new InvalidOperationException($"{operation.Kind} is not for the compute lane");
        }
    }

    private void Forward(int index, in Operation operation, StepInFlight step)
    {
        if (step.Batch(operation.MicroBatch) is not { } batch)
        {
            return;
        }

        int unit = operation.Unit;
        byte* weights = slots.Find(index, ContentKind.Weights, unit);
        byte* output = slots.Find(index, ContentKind.Input, unit + 1);
        if (unit == 0)
        {
            _compute.Embed(weights, batch, output);
            return;
        }

        IReadOnlyList<ActivationPolicy> policies = step.Work is null ? Nothing : engine.Plan.Units[unit].Activations;
        _compute.Forward(
            weights, slots.Find(index, ContentKind.Input, unit), output,
            slots.Find(index, ContentKind.KeptActivations), slots.Find(index, ContentKind.Activations), policies, batch);
    }

    private void HeadLoss(int index, in Operation operation, StepInFlight step)
    {
        int unit = operation.Unit;
        bool isFirst = operation.MicroBatch == 0;
        byte* sums = slots.Find(index, ContentKind.GradientSum, unit);
        byte* tiedSums = slots.Find(index, ContentKind.TiedGradientSum);
        if (step.Batch(operation.MicroBatch) is not { } batch)
        {
            ClearIf(isFirst, sums, engine.Layout.Units[unit].Count);
            ClearIf(isFirst && tiedSums is not null, tiedSums, engine.Layout.Units[0].Count);
            return;
        }

        _compute.HeadLoss(
            slots.Find(index, ContentKind.Weights, unit), TiedWeights(index), slots.Find(index, ContentKind.Input, unit),
            slots.Find(index, ContentKind.HiddenGradient), sums, tiedSums, isFirst, batch, step.GradScale,
            step.Losses + operation.MicroBatch);
    }

    private void ForwardLoss(int index, in Operation operation, StepInFlight step)
    {
        if (step.Batch(operation.MicroBatch) is { } batch)
        {
            _compute.ForwardLoss(
                slots.Find(index, ContentKind.Weights, operation.Unit), TiedWeights(index), slots.Find(index, ContentKind.Input, operation.Unit), batch,
                step.Losses + operation.MicroBatch);
        }
    }

    private void Backward(int index, in Operation operation, StepInFlight step)
    {
        int unit = operation.Unit;
        bool isFirst = operation.MicroBatch == 0;
        byte* sums = slots.Find(index, ContentKind.GradientSum, unit);
        byte* hiddenGradient = slots.Find(index, ContentKind.HiddenGradient);
        if (step.Batch(operation.MicroBatch) is not { } batch)
        {
            ClearIf(isFirst, sums, engine.Layout.Units[unit].Count);
        }
        else if (unit == 0)
        {
            _compute.EmbeddingBackward(batch, hiddenGradient, sums, isFirst);
        }
        else
        {
            _compute.Backward(
                slots.Find(index, ContentKind.Weights, unit), slots.Find(index, ContentKind.Input, unit), slots.Find(index, ContentKind.KeptActivations),
                slots.Find(index, ContentKind.Activations), engine.Plan.Units[unit].Activations, hiddenGradient, sums, isFirst, batch);
        }
    }

    private byte* Gradient(int index, int unit) => slots.Find(index, ContentKind.Gradient, unit);

    private byte* TiedWeights(int index) => engine.Layout.Config.TiedEmbeddings ? slots.Find(index, ContentKind.Weights, 0) : null;

    private void ClearIf(bool isFirst, byte* sums, long count)
    {
        if (isFirst)
        {
            _compute.Clear(sums, count);
        }
    }
}
