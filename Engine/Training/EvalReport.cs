namespace Offload.Engine.Training;

/// <summary>One evaluation.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="EvalLoss">Mean over the counted tokens of the evaluation data.</param>
public sealed record EvalReport(long Step, double EvalLoss)
{
    /// <summary>exp(loss).</summary>
    public double Perplexity => Math.Exp(EvalLoss);
}
