namespace Offload.Swap.Planning;

/// <summary>A unit as the planner needs it. FLOPs and activations are those of one micro-batch.</summary>
public sealed record UnitShape
{
    /// <summary>For reports.</summary>
    public required string Name { get; init; }

    /// <summary>What it is.</summary>
    public required UnitRole Role { get; init; }

    /// <summary>Number of parameters.</summary>
    public required long NumParameters { get; init; }

    /// <summary>Matrix products of the forward; the backward has twice as many. Of the head: of loss and backward together.</summary>
    public required double Flops { get; init; }

    /// <summary>Attention of the forward.</summary>
    public double AttentionFlops { get; init; }

    /// <summary>GPU memory traffic of the forward's element-wise work, bytes; the backward has twice as much. Of the head: of all it does.</summary>
    public double ElementBytes { get; init; }

    /// <summary>What the backward needs beside the unit's input.</summary>
    public IReadOnlyList<ActivationShape> Activations { get; init; } = [];
}
