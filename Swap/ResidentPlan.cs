namespace Offload.Swap;

/// <summary>
/// The plan of a model whose weights and gradients fit: what they take, and states where these are in memory too, so that a run that does not
/// fit is refused before it starts.
/// </summary>
/// <param name="StateBytes">Master weights and moments in memory, 12 bytes a parameter; 0 if they live on drives.</param>
/// <param name="TileBytes">Slots of the tiles in which states go to a drive and come back.</param>
/// <param name="ComputeWeightBytes">Weights in the compute type that are not the masters' high half themselves.</param>
/// <param name="GradientBytes">fp32 sums, and rounded gradients.</param>
/// <param name="ActivationBytes">What a micro-batch keeps for its backward, and the head's chunk of logits.</param>
public sealed record ResidentPlan(long StateBytes, long TileBytes, long ComputeWeightBytes, long GradientBytes, long ActivationBytes)
{
    /// <summary>All of it.</summary>
    public long TotalBytes => StateBytes + TileBytes + ComputeWeightBytes + GradientBytes + ActivationBytes;

    /// <summary>Refuses what does not fit.</summary>
    /// <param name="budgetBytes">Room on the tier.</param>
    /// <param name="budgetName">Where the budget comes from: "--cpu-memory" or "free memory".</param>
    /// <exception cref="PlanInfeasibleException">It does not fit.</exception>
    public void RequireWithin(long budgetBytes, string budgetName)
    {
        if (TotalBytes > budgetBytes)
        {
            throw new PlanInfeasibleException(
                $"training with {(StateBytes > 0 ? "all states in memory" : "states on drives")} needs {Format(TotalBytes)} ({Format(StateBytes)} states, {Format(TileBytes)} tiles, "
                + $"{Format(ComputeWeightBytes)} weights, {Format(GradientBytes)} gradients, {Format(ActivationBytes)} activations), but {budgetName} is {Format(budgetBytes)}: {Format(TotalBytes - budgetBytes)} short",
                (StateBytes > 0 ? "--nvme DIR keeps the states on a drive; " : "") + "a smaller --micro-batch or --seq-len saves activations; --dtype bfloat16 saves weights and gradients; a smaller model saves all of it");
        }
    }

    private static string Format(long sizeBytes) => sizeBytes >= 1L << 30 ? $"{sizeBytes / (double)(1L << 30):F2} GiB"
        : sizeBytes >= 1L << 20 ? $"{sizeBytes / (double)(1L << 20):F2} MiB"
        : sizeBytes >= 1L << 10 ? $"{sizeBytes / (double)(1L << 10):F2} KiB"
        : $"{sizeBytes} bytes";
}
