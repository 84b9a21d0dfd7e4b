using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Costs;
using Offload.Swap.Planning.Search;

namespace Offload.Swap.Tests.Planning.Search;

/// <summary>The machine and the models of the published table (LoHan, evaluation data): RTX 4090, 768 GiB, up to 12 drives in RAID 0.</summary>
internal static class PublishedTestbed
{
    internal const int SequenceTokens = 1024;

    private const long Gibi = 1L << 30;

    /// <summary>
    /// The first of two calibrated constants: 155.8 of the 165 TFLOPS of the data sheet is what the published 13B run reaches at batch 64, where
    /// the GPU is the bound. It stands for kernels below their peak and for element-wise work, which a data sheet does not rate.
    /// </summary>
    internal static CostOptions Costs { get; } = new() { ComputeEfficiency = 155.8 / 165 };

    /// <summary>
    /// Drives in RAID 0: n times one drive's rates, until the array's are reached: what the bus and the CPU let through, reads and writes alone, and
    /// both together in proportion.
    /// </summary>
    internal static SsdProfile Drives(int count) => new()
    {
        ReadGBps = Math.Min(count * 6.5, 32),
        WriteGBps = Math.Min(count * 3.4, 27),
        MixedReadGBps = Math.Min(count * 3.6, 11),
        MixedWriteGBps = Math.Min(count * 2.2, 9.7),
        CapacityGB = count * 3840,
    };

    internal static HardwareProfile Machine(int numDrives) => new()
    {
        Name = "RTX 4090, published testbed",
        Gpu = new GpuProfile { MemoryGiB = 24, MatmulTflops = 165, H2dGBps = 25, D2hGBps = 25, DuplexGBps = 21 },
        Cpu = new CpuProfile { MemoryGiB = 768, AdamGParamsPerSecond = 6 },
        Ssd = Drives(numDrives),
    };

    /// <summary>A step of one micro-batch with the published system's plan.</summary>
    internal static PlanResult Plan(int numLayers, int hidden, int batch, int numDrives) => Planner.Plan(new PlanRequest
    {
        WorkloadOf = sequences => WorkloadOf(numLayers, hidden, sequences),
        Model = new ModelProfile(12L * numLayers * hidden * hidden, 12L * numLayers * hidden * hidden, numLayers, hidden),
        SequenceTokens = SequenceTokens,
        SequencesPerStep = batch,
        Hardware = Machine(numDrives),
        GpuBudgetBytes = 24 * Gibi,
        CpuBudgetBytes = 768 * Gibi,
        NvmeBudgetBytes = numDrives * 3_840_000_000_000,
        Choices = new PlanChoices { Order = StepOrder.Fuyou, MicroBatchSequences = batch, IsClipped = false, StopsOnNan = true },
        Costs = Costs,
    });

    /// <summary>
    /// GPT-2's shape: layers of 12 h^2 parameters, no head but a mean squared error of the hidden states; the embedding (2 % of the parameters) is
    /// left out, as in the published counts. A layer
    /// computes 24 h^2 FLOP a token forward; what is not saved is computed again whole, the down projection too, as a checkpointed block does.
    /// </summary>
    private static Workload WorkloadOf(int numLayers, int hidden, int sequences)
    {
        double tokens = (double)sequences * SequenceTokens;
        double square = (double)hidden * hidden * tokens;
        long width = (long)(2 * hidden * tokens);
        double attentionFlops = 2 * tokens * SequenceTokens * hidden;
        ActivationShape[] activations =
        [
            new("qkv", 3 * width, 6 * square, 0),
            new("attention", width, 0, attentionFlops),
            new("projection", width, 2 * square, 0),
            new("up", 4 * width, 8 * square, 0),
            new("down", width, 8 * square, 0),
        ];
        UnitShape layer = new()
        {
            Name = "layer",
            Role = UnitRole.Layer,
            NumParameters = 12L * hidden * hidden,
            Flops = 24 * square,
            AttentionFlops = attentionFlops,
            Activations = activations,
        };
        return new Workload
        {
            Units =
            [
                new UnitShape { Name = "embedding", Role = UnitRole.Embedding, NumParameters = 0, Flops = 0 },
                .. Enumerable.Range(0, numLayers).Select(i => layer with { Name = $"layer {i}" }),
                new UnitShape { Name = "loss", Role = UnitRole.Head, NumParameters = 0, Flops = 0 },
            ],
            NumMicroBatches = 1,
            HiddenBytes = width,
            WeightBytes = 2,
            GradientBytes = 2,
            StateWriteBytes = 14,
            // One layer's at the peak of its backward: qkv 3, attention 1, residual 1, up 4, its activation 4; norms again when they are needed.
            WorkspaceBytes = 13 * width,
            TileParameters = 1 << 24,
        };
    }
}
