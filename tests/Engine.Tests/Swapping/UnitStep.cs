using Offload.Engine.Compute;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Swap.Planning;

namespace Offload.Engine.Tests.Swapping;

/// <summary>A whole step by single units over slot memory, in either order. The weights are a resident model's.</summary>
internal sealed unsafe class UnitStep : IDisposable
{
    private readonly UnitCompute _compute;
    private readonly ResidentModel _model;
    private readonly Workload _work;
    private readonly IReadOnlyList<IReadOnlyList<ActivationPolicy>> _policies;
    private readonly GuardedSlots _slots = new();
    private readonly int _head;

    public UnitStep(UnitCompute compute, ResidentModel model, Workload work, IReadOnlyList<IReadOnlyList<ActivationPolicy>> policies)
    {
        (_compute, _model, _work, _policies) = (compute, model, work, policies);
        _head = work.Units.Count - 1;
        foreach (UnitTensors unit in model.Units)
        {
            int sizeBytes = (int)unit.WeightBuffer.SizeBytes;
            if (sizeBytes > 0)
            {
                unit.WeightBuffer.AsSpan<byte>(0, sizeBytes).CopyTo(new Span<byte>(Weights(unit.Layout.Index), sizeBytes));
            }
        }
    }

    /// <summary>Sums, or in place of them gradients, of a unit.</summary>
    public byte* Sums(int unit) => _slots.Get($"sums {unit}", _work.Units[unit].NumParameters * sizeof(float));

    /// <summary>Forward and backward of all micro-batches.</summary>
    /// <returns>Mean loss.</returns>
    public double Run(IReadOnlyList<MicroBatch> batches, bool isLayerMajor)
    {
        long numCounted = batches.Sum(batch => (long)batch.NumCounted);
        float gradScale = (float)(1.0 / numCounted);
        double loss = 0;
        (int Unit, bool IsForward)[] units =
        [
            .. Enumerable.Range(0, _head).Select(unit => (unit, true)), (_head, true), .. Enumerable.Range(0, _head).Reverse().Select(unit => (unit, false)),
        ];
        IEnumerable<(int Unit, bool IsForward, int MicroBatch)> order = isLayerMajor
            ? units.SelectMany(unit => Enumerable.Range(0, batches.Count).Select(microBatch => (unit.Unit, unit.IsForward, microBatch)))
            : Enumerable.Range(0, batches.Count).SelectMany(microBatch => units.Select(unit => (unit.Unit, unit.IsForward, microBatch)));
        foreach ((int unit, bool isForward, int microBatch) in order)
        {
            var batch = new StagedBatch(batches[microBatch]);
            loss += isForward ? Forward(unit, microBatch, batch, gradScale) : Backward(unit, microBatch, batch);
        }

        _slots.AssertGuardsAreWhole();
        return loss / numCounted;
    }

    /// <summary>Mean loss without gradients, of inputs that a step left.</summary>
    public double Evaluate(IReadOnlyList<MicroBatch> batches)
    {
        double loss = 0;
        for (int i = 0; i < batches.Count; i++)
        {
            double ofBatch;
            _compute.ForwardLoss(Weights(_head), Weights(0), Hidden(_head, i), new StagedBatch(batches[i]), &ofBatch);
            loss += ofBatch;
        }

        return loss / batches.Sum(batch => (long)batch.NumCounted);
    }

    /// <summary>Sums become gradients.</summary>
    public void Round(int unit)
    {
        _compute.RoundGradients(unit, Sums(unit), TiedSums());
        _slots.AssertGuardsAreWhole();
    }

    public void Dispose() => _slots.Dispose();

    private double Forward(int unit, int microBatch, StagedBatch batch, float gradScale)
    {
        if (unit == 0)
        {
            _compute.Embed(Weights(0), batch, Hidden(1, microBatch));
        }
        else if (unit < _head)
        {
            _compute.Forward(Weights(unit), Hidden(unit, microBatch), Hidden(unit + 1, microBatch), Kept(unit, microBatch), Swapped(unit, microBatch), _policies[unit], batch);
        }
        else
        {
            double loss;
            _compute.HeadLoss(
                Weights(_head), Weights(0), Hidden(_head, microBatch), Gradient(microBatch), Sums(_head), TiedSums(), microBatch == 0, batch, gradScale, &loss);
            return loss;
        }

        return 0;
    }

    private double Backward(int unit, int microBatch, StagedBatch batch)
    {
        if (unit == 0)
        {
            _compute.EmbeddingBackward(batch, Gradient(microBatch), Sums(0), microBatch == 0);
        }
        else
        {
            _compute.Backward(
                Weights(unit), Hidden(unit, microBatch), Kept(unit, microBatch), Swapped(unit, microBatch), _policies[unit], Gradient(microBatch), Sums(unit), microBatch == 0, batch);
        }

        return 0;
    }

    private byte* Weights(int unit) => _slots.Get($"weights {unit}", _work.Units[unit].NumParameters * _work.WeightBytes);

    private byte* TiedSums() => _work.IsTied
        ? _slots.Get("tied", (long)_model.Layout.Config.VocabularySize * _model.Layout.Config.HiddenSize * sizeof(float))
        : null;

    private byte* Hidden(int unit, int microBatch) => _slots.Get($"hidden {unit}.{microBatch}", _work.HiddenBytes);

    private byte* Gradient(int microBatch) => _slots.Get($"gradient {microBatch}", _work.HiddenBytes);

    private byte* Kept(int unit, int microBatch) => _slots.Get($"kept {unit}.{microBatch}", Bytes(unit, policy => policy == ActivationPolicy.Keep));

    private byte* Swapped(int unit, int microBatch) =>
        _slots.Get($"swapped {unit}.{microBatch}", Bytes(unit, policy => policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme));

    private long Bytes(int unit, Func<ActivationPolicy, bool> isOf) =>
        _work.Units[unit].Activations.Where((_, i) => isOf(_policies[unit][i])).Sum(activation => activation.SizeBytes);
}
