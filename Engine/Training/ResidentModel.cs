using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Storage.Memory;
using static TorchSharp.torch;

namespace Offload.Engine.Training;

/// <summary>
/// A model all of whose states are in memory, and its plain training step: micro-batches in order, gradients rounded once, global
/// norm, clip, update. Every schedule must give the same bits as this. One thread uses it at a time. Owns everything but the threads.
/// </summary>
internal sealed unsafe class ResidentModel : IMasterWeights, IMasterWeightsTarget, IDisposable
{
    private readonly DecoderModel _model;
    private readonly List<UnitState> _units = [];
    private readonly ModelTensors _weights;
    private readonly ModelTensors? _sums;
    private readonly NativeBuffer? _tiedHeadSum;
    private readonly Tensor? _tiedHeadSumTensor;
    private readonly GradientRounding _rounding;
    private readonly GradientNorm _norm;
    private readonly ParallelAdamW _update;

    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="threads">Threads of the optimizer; borrowed.</param>
    /// <param name="trainable">False: weights alone, for evaluation and generation.</param>
    public ResidentModel(ModelLayout layout, RunNumerics numerics, ParallelRanges threads, bool trainable = true)
    {
        Layout = layout;
        _model = new DecoderModel(layout, numerics.SequenceTokens, numerics.HeadChunkTokens);
        _rounding = new GradientRounding(threads);
        _norm = new GradientNorm(threads);
        _update = new ParallelAdamW(threads);
        try
        {
            foreach (UnitLayout unit in layout.Units)
            {
                _units.Add(new UnitState(unit, numerics.Type, trainable));
            }

            _weights = new ModelTensors(layout, [.. _units.Select(unit => unit.Weights)]);
            if (trainable && layout.Config.TiedEmbeddings)
            {
                // A tied matrix keeps two sums, the head's and the embedding's, added once when both are whole.
                long[] shape = layout.TokenEmbedding.Shape;
                _tiedHeadSum = new NativeBuffer(shape[0] * shape[1] * sizeof(float));
                _tiedHeadSumTensor = Interop.Aten.FromMemory(_tiedHeadSum.Address, ScalarType.Float32, shape);
            }

            _sums = trainable ? new ModelTensors(layout, [.. _units.Select(unit => unit.GradientSums!)], _tiedHeadSumTensor) : null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ModelLayout Layout { get; }

    /// <summary>The units' states, in the order of the forward pass.</summary>
    public IReadOnlyList<UnitState> Units => _units;

    /// <inheritdoc/>
    public void ReadMasters(int unitIndex, long offset, Span<float> destination) => _units[unitIndex].ReadMasters(offset, destination);

    /// <inheritdoc/>
    public void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source) => _units[unitIndex].WriteMasters(offset, source);

    /// <summary>Makes the compute weights agree with the masters, after <see cref="WriteMasters"/>.</summary>
    public void RefreshWeights()
    {
        foreach (UnitState unit in _units)
        {
            unit.RefreshWeights();
        }
    }

    /// <summary>Logits, [rows or sequences, vocabulary], the caller's.</summary>
    public Tensor Logits(MicroBatch batch, bool lastTokenOnly = false) => _model.Logits(_weights, batch, lastTokenOnly);

    /// <summary>Mean loss over the counted tokens of all batches; NaN if none counts.</summary>
    public double Evaluate(IEnumerable<MicroBatch> batches)
    {
        double loss = 0;
        long numCounted = 0;
        foreach (MicroBatch batch in batches)
        {
            if (batch.NumCounted > 0)
            {
                loss += _model.Loss(_weights, batch);
                numCounted += batch.NumCounted;
            }
        }

        return loss / numCounted;
    }

    /// <summary>Gradients of the mean loss over the counted tokens of all batches, rounded, and their norm.</summary>
    /// <param name="batches">The step's micro-batches.</param>
    /// <returns>Loss, norm, counted tokens, and the unit with a gradient that is not finite.</returns>
    public StepGradients ComputeGradients(IReadOnlyList<MicroBatch> batches)
    {
        ModelTensors sums = _sums ?? throw new InvalidOperationException("the model was made without optimizer states");
        foreach (UnitState unit in _units)
        {
            unit.ClearGradients();
        }

        _tiedHeadSum?.Clear();
        long numCounted = batches.Sum(batch => (long)batch.NumCounted);
        double loss = 0;
        foreach (MicroBatch batch in batches)
        {
            if (batch.NumCounted > 0)
            {
                loss += _model.ForwardBackward(_weights, sums, batch, (float)(1.0 / numCounted));
            }
        }

        if (_tiedHeadSumTensor is not null)
        {
            sums.Embedding.Tokens.add_(_tiedHeadSumTensor);
        }

        double sumOfSquares = 0;
        string? culprit = null;
        foreach (UnitState unit in _units)
        {
            unit.RoundGradients(_rounding);
            double unitSum = _norm.SumOfSquares(unit.Gradients, unit.Layout.Count);
            sumOfSquares += unitSum;
            culprit ??= double.IsFinite(unitSum) ? null : unit.Layout.Name;
        }

        return new StepGradients(loss / numCounted, Math.Sqrt(sumOfSquares), numCounted, culprit);
    }

    /// <summary>One AdamW update of every unit from the gradients last computed.</summary>
    /// <param name="decayed">The step's constants for what is decayed.</param>
    /// <param name="plain">For the rest.</param>
    /// <param name="scope">What is decayed.</param>
    public void Update(in AdamWStep decayed, in AdamWStep plain, WeightDecayScope scope)
    {
        foreach (UnitState unit in _units)
        {
            foreach (DecayRange range in DecayRange.Of(unit.Layout, scope))
            {
                AdamWStates states = unit.States.From(range.Offset);
                _update.Update(range.IsDecayed ? decayed : plain, states, states, unit.Gradients.From(range.Offset), range.Count);
            }

            unit.RefreshWeights();
        }
    }

    /// <summary>Frees all states.</summary>
    public void Dispose()
    {
        // Some are missing if the constructor ran out of memory.
        _weights?.Dispose();
        _sums?.Dispose();
        _tiedHeadSumTensor?.Dispose();
        _tiedHeadSum?.Dispose();
        foreach (UnitState unit in _units)
        {
            unit.Dispose();
        }
    }
}
