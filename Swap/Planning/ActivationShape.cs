namespace Offload.Swap.Planning;

/// <summary>A tensor of a layer's forward that its backward needs: kept, moved, or computed again.</summary>
/// <param name="Name">For reports: "qkv".</param>
/// <param name="SizeBytes">For one micro-batch.</param>
/// <param name="RecomputeFlops">Matrix products that computing it again takes, what it is computed from being there.</param>
/// <param name="RecomputeAttentionFlops">The same in attention.</param>
public sealed record ActivationShape(string Name, long SizeBytes, double RecomputeFlops, double RecomputeAttentionFlops);
