using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Offload.Engine.Compute;
using Offload.Engine.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Swap.Planning;
using TorchSharp;

namespace Offload.Benchmarks;

internal static unsafe partial class AllocatorStudy
{
    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);

    public static void Apply()
    {
        string? setting = Environment.GetEnvironmentVariable("STUDY");
        foreach (string pair in (setting ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int[] numbers = [.. pair.Split('=').Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
            Console.WriteLine($"mallopt({numbers[0]}, {numbers[1]}) = {mallopt(numbers[0], numbers[1])}");
        }
    }

    public static int Steps(ReadOnlySpan<string> args)
    {
        ComputeType type = args[0] == "f32" ? ComputeType.Float32 : ComputeType.BFloat16;
        int sequences = int.Parse(args[1], null);
        int hidden = int.Parse(args[2], null);
        torch.set_num_threads(2);
        RowBlocks.NumThreads = 2;
        DecoderConfig config = Config(hidden, 6);
        ModelLayout layout = ModelLayout.Create(config);
        var numerics = new RunNumerics { Type = type, SequenceTokens = 256, MicroBatchSequences = sequences, Seed = 1, ComputeThreads = 2 };
        using var threads = new ParallelRanges(2);
        using var model = new ResidentModel(layout, numerics, threads);
        MicroBatch batch = Batch(config, sequences, 256);
        MicroBatch small = Batch(config, 1, 16);
        model.ComputeGradients([small]);
        long before = ProcessMemory.ResidentBytes();
        File.WriteAllText("/proc/self/clear_refs", "5");
        for (int i = 0; i < 3; i++)
        {
            model.ComputeGradients([batch]);
        }

        var times = new List<double>();
        for (int i = 0; i < 7; i++)
        {
            long start = Stopwatch.GetTimestamp();
            model.ComputeGradients([batch]);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        times.Sort();
        long peak = ProcessMemory.HighWaterBytes() - before;
        var plan = ResidentPlanner.Plan(layout, numerics, false, 0);
        Console.WriteLine($"{args[0]} {sequences}x256 H{hidden}: median {times[3]:F1} min {times[0]:F1} ms, peak growth {peak >> 20} MiB, after {(ProcessMemory.ResidentBytes() - before) >> 20} MiB, plan's activations without factor {(plan.ActivationBytes - (200L << 20)) / 2.25 / (1 << 20):F0} MiB");
        return 0;
    }

    public static int Workspace(ReadOnlySpan<string> args)
    {
        ComputeType type = args[0] == "f32" ? ComputeType.Float32 : ComputeType.BFloat16;
        int sequences = int.Parse(args[1], null);
        int tokens = int.Parse(args[2], null);
        int hidden = int.Parse(args[3], null);
        torch.set_num_threads(2);
        RowBlocks.NumThreads = 2;
        foreach (DecoderConfig config in (DecoderConfig[])[Config(hidden, 1), Config(hidden, 1) with { NumKeyValueHeads = hidden / 64, GatedMlp = false, Activation = ActivationKind.Gelu, Norm = NormKind.LayerNorm, IntermediateSize = 4 * hidden, ModelType = "opt", Rope = null, LearnedPositionOffset = 2, PaddingId = 1, QueryKeyNorm = false }])
        {
            ModelLayout layout = ModelLayout.Create(config);
            var numerics = new RunNumerics { Type = type, SequenceTokens = tokens, MicroBatchSequences = sequences, Seed = 1, ComputeThreads = 2 };
            Workload work = ModelWorkload.Create(layout, type, tokens, sequences, 1, numerics.HeadChunkTokens, 1 << 21);
            using var threads = new ParallelRanges(2);
            using var compute = new UnitCompute(layout, numerics, threads);
            using var weights = new NativeBuffer(work.Units.Max(unit => unit.NumParameters) * 4);
            using var sums = new NativeBuffer(work.Units.Max(unit => unit.NumParameters) * 4);
            using var input = new NativeBuffer(work.HiddenBytes);
            using var output = new NativeBuffer(work.HiddenBytes);
            using var kept = new NativeBuffer(work.Units[1].Activations.Sum(activation => activation.SizeBytes));
            MicroBatch batch = Batch(config, sequences, tokens);
            ActivationPolicy[] none = [.. Enumerable.Repeat(ActivationPolicy.Recompute, 4)];
            ActivationPolicy[] all = [.. Enumerable.Repeat(ActivationPolicy.Keep, 4)];
            byte* w = (byte*)weights.Address;
            byte* s = (byte*)sums.Address;
            byte* x = (byte*)input.Address;
            byte* y = (byte*)output.Address;
            byte* k = (byte*)kept.Address;
            (string Name, Action Run)[] operations =
            [
                ("Embed", () => compute.Embed(w, batch, x)),
                ("Forward", () => compute.Forward(w, x, y, k, null, all, batch)),
                ("Backward kept", () => compute.Backward(w, x, k, null, all, y, s, true, batch)),
                ("Backward restored", () => compute.Backward(w, x, null, null, none, y, s, true, batch)),
                ("HeadLoss", () => compute.HeadLoss(w, w, x, y, s, s, true, batch, 1f)),
                ("EmbeddingBackward", () => compute.EmbeddingBackward(batch, y, s, true)),
            ];
            Console.WriteLine($"{args[0]} {sequences}x{tokens} {config.ModelType} H{hidden}: bounds layer {ComputeWorkspace.Layer(layout, type, batch.Shape) >> 10} head {ComputeWorkspace.Head(layout, type, batch.Shape, numerics.HeadChunkTokens) >> 10} embedding {ComputeWorkspace.Embedding(layout, type, batch.Shape) >> 10} KiB");
            foreach ((string name, Action run) in operations)
            {
                run();
                run();
                GC.Collect();
                Console.WriteLine($"   {name,-20} {ProcessMemory.Peak(run) >> 10,10} {ProcessMemory.Peak(run) >> 10,10} KiB");
            }

            int rounds = int.Parse(args[4], null);
            Libc.ReturnFreeMemory();
            long before = ProcessMemory.ResidentBytes();
            File.WriteAllText("/proc/self/clear_refs", "5");
            Process self = Process.GetCurrentProcess();
            self.Refresh();
            TimeSpan user = self.UserProcessorTime;
            TimeSpan system = self.PrivilegedProcessorTime;
            long begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < rounds; i++)
            {
                foreach ((_, Action run) in operations)
                {
                    run();
                }
            }

            double ms = Stopwatch.GetElapsedTime(begin).TotalMilliseconds / rounds;
            self.Refresh();
            Console.WriteLine(FormattableString.Invariant($"   all in turns: wall {ms:F1} ms, user {(self.UserProcessorTime - user).TotalMilliseconds / rounds:F1}, system {(self.PrivilegedProcessorTime - system).TotalMilliseconds / rounds:F1}; peak growth {(ProcessMemory.HighWaterBytes() - before) >> 10} KiB, left {(ProcessMemory.ResidentBytes() - before) >> 10} KiB"));
        }

        return 0;
    }

    private static DecoderConfig Config(int hidden, int layers) => new()
    {
        ModelType = "llama",
        VocabularySize = 4096,
        HiddenSize = hidden,
        NumLayers = layers,
        NumHeads = hidden / 64,
        NumKeyValueHeads = hidden / 128,
        HeadSize = 64,
        IntermediateSize = hidden * 11 / 4,
        MaxPositions = 4096,
        Norm = NormKind.RmsNorm,
        NormEpsilon = 1e-5,
        Activation = ActivationKind.Silu,
        GatedMlp = true,
        Rope = new RopeConfig(RopeKind.Default, 10_000),
        QueryKeyValueBias = false,
        AttentionOutputBias = false,
        MlpBias = false,
        QueryKeyNorm = true,
        TiedEmbeddings = false,
    };

    private static MicroBatch Batch(DecoderConfig config, int sequences, int tokens)
    {
        var random = new Random(1);
        var shape = new BatchShape(sequences, tokens);
        return new MicroBatch(shape, [.. Enumerable.Range(0, shape.Rows).Select(_ => random.Next(config.VocabularySize))], [.. Enumerable.Range(0, shape.Rows).Select(_ => random.Next(config.VocabularySize))]);
    }
}
