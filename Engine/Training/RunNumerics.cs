using Offload.Engine.Models;

namespace Offload.Engine.Training;

/// <summary>
/// What fixes the bits of a run: with these equal, any plan on the same machine gives the same weights. Stored with the run; a resume
/// keeps them.
/// </summary>
public sealed record RunNumerics
{
    /// <summary>Tokens whose logits are in memory at once, by default: with a vocabulary of 128 Ki, 128 MiB in bf16.</summary>
    public const int DefaultHeadChunkTokens = 512;

    /// <summary>The same on a GPU, whose products want more rows: with a vocabulary of 32,000, 250 MiB in bf16.</summary>
    public const int GpuHeadChunkTokens = 4096;

    /// <summary>What computes.</summary>
    public ComputeDevice Device { get; init; }

    /// <summary>Of a GPU: kernels that add up in one order alone, so that runs agree bit for bit; somewhat slower. The CPU's always do.</summary>
    public bool IsDeterministic { get; init; }

    /// <summary>Element type of compute.</summary>
    public required ComputeType Type { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public required int SequenceTokens { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    public required int MicroBatchSequences { get; init; }

    /// <summary>Tokens whose logits are in memory at once.</summary>
    public int HeadChunkTokens { get; init; } = DefaultHeadChunkTokens;

    /// <summary>Seed of data order and initialisation.</summary>
    public required long Seed { get; init; }

    /// <summary>Threads of libtorch's CPU kernels; they cut their sums by it.</summary>
    public required int ComputeThreads { get; init; }
}
