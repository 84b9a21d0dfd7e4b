namespace Offload.Engine.Generation;

/// <summary>How text is generated.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most tokens to add.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>0: greedy.</summary>
    public double Temperature { get; init; }

    /// <summary>Nucleus of top-p sampling; 1: all tokens.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Seed of sampling.</summary>
    public long Seed { get; init; }
}
