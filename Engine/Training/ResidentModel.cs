using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Storage.Memory;
using static TorchSharp.torch;

namespace Offload.Engine.Training;

/// <summary>
/// A model whose weights and gradients are in memory, and its plain training step: micro-batches in order, gradients rounded once, global
/// norm, clip, update. Every schedule must give the same bits as this. One thread uses it at a time. Owns everything but the threads.
/// </summary>
internal sealed unsafe class ResidentModel : IMasterWeights, IMasterWeightsTarget, IDisposable
{
    private readonly DecoderModel _model;
    private readonly List<UnitTensors> _units = [];
    private readonly ModelTensors _weights;
    private readonly ModelTensors? _sums;
    private readonly NativeBuffer? _tiedHeadSum;
    private readonly Tensor? _tiedHeadSumTensor;
    private readonly GradientRounding _rounding;
    private readonly GradientNorm _norm;

    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="threads">Threads of the optimizer; borrowed.</param>
    /// <param name="trainable">False: weights alone, for evaluation and generation.</param>
    /// <param name="createStates">Makes the optimizer states for the units that it is given; null: in memory. The model owns them.</param>
    public ResidentModel(
        ModelLayout layout, RunNumerics numerics, ParallelRanges threads, bool trainable = true, Func<IReadOnlyList<UnitTensors>, IOptimizerStates>? createStates = null)
    {
        Layout = layout;
        _model = new DecoderModel(layout, numerics.SequenceTokens, numerics.HeadChunkTokens);
        _rounding = new GradientRounding(threads);
        _norm = new GradientNorm(threads);
        try
        {
            foreach (UnitLayout unit in layout.Units)
            {
                _units.Add(new UnitTensors(unit, numerics.Type, trainable));
            }

            _weights = new ModelTensors(layout, [.. _units.Select(unit => unit.Weights)]);
            if (trainable && layout.Config.TiedEmbeddings)
            {
                // A tied matrix keeps two sums, the head's and the embedding's, added once when both are whole.
                long[] shape = layout.TokenEmbedding.Shape;
                _tiedHeadSum = new NativeBuffer(shape[0] * shape[1] * sizeof(float));
                _tiedHeadSumTensor = Interop.Aten.FromMemory(_tiedHeadSum.Address, ScalarType.Float32, shape);
            }

            States = createStates is null ? new ResidentStates(layout, _units, threads, trainable) : createStates(_units);
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

    /// <summary>The units, in the order of the forward pass.</summary>
    public IReadOnlyList<UnitTensors> Units => _units;

    /// <summary>Master weights and moments.</summary>
    public IOptimizerStates States { get; }

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default) => States.ReadMasters(ranges, chunk, cancellation);

    /// <inheritdoc/>
    public void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source) => States.WriteMasters(unitIndex, offset, source);

    /// <inheritdoc/>
    public void CompleteMasters() => States.CompleteMasters();

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
        foreach (UnitTensors unit in _units)
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
            sums.Embedding.Tokens.add_(_tiedHeadSumTensor, Scalars.One);
        }

        double sumOfSquares = 0;
        string? culprit = null;
        foreach (UnitTensors unit in _units)
        {
            unit.RoundGradients(_rounding);
            double unitSum = _norm.SumOfSquares(unit.Gradients, unit.Layout.Count);
            sumOfSquares += unitSum;
            culprit ??= double.IsFinite(unitSum) ? null : unit.Layout.Name;
        }

        return new StepGradients(loss / numCounted, Math.Sqrt(sumOfSquares), numCounted, culprit);
    }

    /// <summary>One AdamW update of every unit from the gradients last computed.</summary>
    /// <param name="step">The step's constants.</param>
    public void Update(in UpdateStep step)
    {
        foreach (UnitTensors unit in _units)
        {
            States.Update(unit, step);
        }

        States.CompleteUpdate();
    }

    /// <summary>Frees all states.</summary>
    public void Dispose()
    {
        // Some are missing if the constructor ran out of memory.
        _weights?.Dispose();
        _sums?.Dispose();
        _tiedHeadSumTensor?.Dispose();
        _tiedHeadSum?.Dispose();
        States?.Dispose();
        foreach (UnitTensors unit in _units)
        {
            unit.Dispose();
        }
    }
}
