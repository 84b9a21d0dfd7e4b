using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Training;

namespace Offload.Engine.Tests.Swapping;

/// <summary>A model whose caller fails, by plan. Owns the model.</summary>
/// <param name="inner">The model.</param>
/// <param name="script">What is to happen.</param>
internal sealed class InterruptedModel(ITrainingModel inner, InterruptedModel.Script script) : ITrainingModel
{
    private long _numEnds;
    private long _numEvaluations;
    private bool _isAbandoned;
    private bool _isUsed;

    public ModelLayout Layout => inner.Layout;

    public bool IsDurable => inner.IsDurable;

    public int MaxBegun => inner.MaxBegun;

    public long PeakGpuBytes => inner.PeakGpuBytes;

    public bool IsWhole => !_isAbandoned && inner.IsWhole;

    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default) =>
        inner.ReadMasters(ranges, chunk, cancellation);

    public double Evaluate(IEnumerable<MicroBatch> batches)
    {
        Use();
        script.NumEvaluations = _numEvaluations + 1;
        if (_numEvaluations++ == script.CutEvaluation)
        {
            try
            {
                return inner.Evaluate(batches.Take(script.CutBatch).Concat(Failing()));
            }
            catch (Exception error) when (error == script.Error && script.Repeats)
            {
                // Nothing has changed: it can be done again at once.
            }
        }

        return inner.Evaluate(batches);
    }

    public void Begin(StepWork work)
    {
        Use();
        inner.Begin(work);
    }

    public void End()
    {
        if (_numEnds++ == script.FailingEnd)
        {
            _isAbandoned = true;
            throw script.Error;
        }

        inner.End();
    }

    public void Complete() => inner.Complete();

    public void Dispose() => inner.Dispose();

    private void Use()
    {
        if (!_isUsed)
        {
            _isUsed = true;
            script.BeforeFirstUse?.Invoke();
        }
    }

    private IEnumerable<MicroBatch> Failing() => Enumerable.Range(0, 1).Select<int, MicroBatch>(_ => throw script.Error);

    /// <summary>What is to happen, and how often it could.</summary>
    public sealed class Script
    {
        /// <summary>What the caller, or the data, fails with.</summary>
        public Exception Error { get; } = new TimeoutException("the caller's");

        /// <summary>Which evaluation runs out of data; -1: none.</summary>
        public long CutEvaluation { get; init; } = -1;

        /// <summary>After so many micro-batches.</summary>
        public int CutBatch { get; init; }

        /// <summary>It is then done once more, with all the data.</summary>
        public bool Repeats { get; init; }

        /// <summary>Before which end of a step the caller gives up, while steps are at work; -1: none.</summary>
        public long FailingEnd { get; init; } = -1;

        /// <summary>Told when the store and the weights are there.</summary>
        public Action? BeforeFirstUse { get; set; }

        /// <summary>Evaluations so far.</summary>
        public long NumEvaluations { get; set; }
    }
}
