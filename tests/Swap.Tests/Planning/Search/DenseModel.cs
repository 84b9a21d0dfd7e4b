using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;

namespace Offload.Swap.Tests.Planning.Search;

/// <summary>Llama-shaped models and a workstation.</summary>
internal static class DenseModel
{
    internal const long Gibi = 1L << 30;

    private const int SequenceTokens = 2048;
    private const long Vocabulary = 128_000;

    /// <summary>A GPU of 24 GiB, memory, one fast drive.</summary>
    internal static HardwareProfile Workstation { get; } = new()
    {
        Name = "workstation",
        Gpu = new GpuProfile { MemoryGiB = 24, MatmulTflops = 150, H2dGBps = 25, D2hGBps = 25, DuplexGBps = 20, MemoryGBps = 900 },
        Cpu = new CpuProfile { MemoryGiB = 256, AdamGParamsPerSecond = 4, MemoryGBps = 80 },
        Ssd = new SsdProfile { ReadGBps = 7, WriteGBps = 5, MixedReadGBps = 3.5, MixedWriteGBps = 3, CapacityGB = 4000, Tbw = 2400 },
    };

    /// <summary>A step of 64 sequences.</summary>
    internal static PlanRequest Request(int numLayers, int hidden, double cpuGiB, bool hasDrives, double gpuGiB = 24) => new()
    {
        WorkloadOf = sequences => WorkloadOf(numLayers, hidden, sequences),
        Model = new ModelProfile((12L * numLayers * hidden * hidden) + (2 * Vocabulary * hidden), (12L * numLayers * hidden * hidden) + (Vocabulary * hidden), numLayers, hidden),
        SequenceTokens = SequenceTokens,
        SequencesPerStep = 64,
        Hardware = Workstation,
        GpuBudgetBytes = (long)(gpuGiB * Gibi),
        CpuBudgetBytes = (long)(cpuGiB * Gibi),
        NvmeBudgetBytes = hasDrives ? 4_000_000_000_000 : null,
    };

    private static Workload WorkloadOf(int numLayers, int hidden, int sequences)
    {
        double tokens = (double)sequences * SequenceTokens;
        double square = (double)hidden * hidden * tokens;
        long width = (long)(2 * hidden * tokens);
        var layer = new UnitShape
        {
            Name = "layer",
            Role = UnitRole.Layer,
            NumParameters = 12L * hidden * hidden,
            Flops = 24 * square,
            AttentionFlops = 2 * tokens * SequenceTokens * hidden,
            ElementBytes = 20.0 * width,
            Activations =
            [
                new ActivationShape("qkv", 3 * width, 6 * square, 0),
                new ActivationShape("attention", width, 0, 2 * tokens * SequenceTokens * hidden),
                new ActivationShape("projection", width, 2 * square, 0),
                new ActivationShape("up", 4 * width, 8 * square, 0),
            ],
        };
        return new Workload
        {
            Units =
            [
                new UnitShape { Name = "embedding", Role = UnitRole.Embedding, NumParameters = Vocabulary * hidden, Flops = 0, ElementBytes = width },
                .. Enumerable.Range(0, numLayers).Select(i => layer with { Name = $"layer {i}" }),
                new UnitShape { Name = "head", Role = UnitRole.Head, NumParameters = Vocabulary * hidden, Flops = 6 * tokens * Vocabulary * hidden },
            ],
            NumMicroBatches = 1,
            HiddenBytes = width,
            WeightBytes = 2,
            GradientBytes = 2,
            WorkspaceBytes = 20 * width,
        };
    }
}
