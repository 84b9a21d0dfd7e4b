using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Where one unit's bytes live.</summary>
public sealed record UnitPlan
{
    /// <summary>Its weights for compute: read from there before each pass.</summary>
    public required Tier Weights { get; init; }

    /// <summary>Its optimizer states. On the GPU only together with its weights.</summary>
    public required Tier States { get; init; }

    /// <summary>Where its gradients wait for an update that comes later: CPU memory or the drives. Not asked if the states are on the GPU: then they stay there.</summary>
    public Tier Gradients { get; init; } = Tier.Cpu;

    /// <summary>Its input, from forward to backward.</summary>
    public required Tier Input { get; init; }

    /// <summary>What becomes of each of its activations.</summary>
    public IReadOnlyList<ActivationPolicy> Activations { get; init; } = [];
}
