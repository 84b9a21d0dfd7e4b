using System.Globalization;
using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Swapping;
using Offload.Engine.Tests.Compute;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Swap.Planning;

namespace Offload.Engine.Tests.Swapping;

/// <summary>The bound against the growth of resident memory, which follows what is allocated once large blocks are mapped one by one.</summary>
[Collection(nameof(ProcessWide))]
public sealed unsafe class ComputeWorkspaceTests
{
    private const int HeadChunkTokens = 512;

    /// <summary>What the bound adds for everything that is no tensor; below that nothing is said about how close it is.</summary>
    private const long OtherBytes = 8L << 20;

    private const double MaxRatio = 1.7;

    [Theory]
    [InlineData("tokens", ComputeType.Float32)]
    [InlineData("tokens", ComputeType.BFloat16)]
    [InlineData("weights", ComputeType.BFloat16)]
    [InlineData("head", ComputeType.Float32)]
    [InlineData("head", ComputeType.BFloat16)]
    [InlineData("exact GELU", ComputeType.Float32)]
    [InlineData("exact GELU", ComputeType.BFloat16)]
    public void Bytes_WhatIsLargest_HoldsAllOperationsAndIsNotFarAbove(string whatIsLargest, ComputeType type)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && AllocatorSettings.KeepNothing(), "resident memory follows what is allocated with glibc alone");
        (int sequences, int tokens, DecoderConfig config) = whatIsLargest switch
        {
            "tokens" => (4, 256, Config(hidden: 512, vocabulary: 1024)),
            "weights" => (1, 32, Config(hidden: 1024, vocabulary: 1024)),
            "head" => (1, 256, Config(hidden: 512, vocabulary: 16_384)),
            _ => (2, 256, Config(hidden: 512, vocabulary: 1024) with
            {
                ModelType = "opt",
                NumKeyValueHeads = 8,
                GatedMlp = false,
                Activation = ActivationKind.Gelu,
                Norm = NormKind.LayerNorm,
                IntermediateSize = 2048,
                Rope = null,
                LearnedPositionOffset = 2,
                PaddingId = 1,
            }),
        };
        ModelLayout layout = ModelLayout.Create(config);
        var shape = new BatchShape(sequences, tokens);

        long peakBytes = LargestPeak(layout, type, shape);

        long boundBytes = ComputeWorkspace.Bytes(layout, type, shape, HeadChunkTokens);
        string found = string.Create(CultureInfo.InvariantCulture, $"measured {peakBytes >> 10} KiB, bound {boundBytes >> 10} KiB");
        Assert.True(peakBytes <= boundBytes, found);
        Assert.True(boundBytes - OtherBytes <= peakBytes * MaxRatio, found);
    }

    /// <summary>Of all operations; each runs once before it is measured.</summary>
    private static long LargestPeak(ModelLayout layout, ComputeType type, BatchShape shape)
    {
        var numerics = new RunNumerics
        {
            Type = type,
            SequenceTokens = shape.Tokens,
            MicroBatchSequences = shape.Sequences,
            HeadChunkTokens = HeadChunkTokens,
            Seed = 1,
            ComputeThreads = 2,
        };
        Workload work = ModelWorkload.Create(layout, type, shape.Tokens, shape.Sequences, 1, HeadChunkTokens, 1 << 21);
        using var threads = new ParallelRanges(2);
        using var compute = new UnitCompute(layout, numerics, threads);
        long largest = work.Units.Max(unit => unit.NumParameters);
        using var weights = new NativeBuffer(largest * sizeof(float));
        using var sums = new NativeBuffer(largest * sizeof(float));
        using var input = new NativeBuffer(work.HiddenBytes);
        using var output = new NativeBuffer(work.HiddenBytes);
        using var kept = new NativeBuffer(work.Units[1].Activations.Sum(activation => activation.SizeBytes));
        byte* w = (byte*)weights.Address;
        byte* s = (byte*)sums.Address;
        byte* x = (byte*)input.Address;
        byte* y = (byte*)output.Address;
        byte* k = (byte*)kept.Address;
        var random = new Random(1);
        int[] ids = [.. Enumerable.Range(0, shape.Rows).Select(_ => random.Next(layout.Config.VocabularySize))];
        var batch = new StagedBatch(new MicroBatch(shape, ids, ids));
        double loss = 0;
        double* result = &loss;
        ActivationPolicy[] all = [.. Enumerable.Repeat(ActivationPolicy.Keep, ActivationSizes.NumActivations)];
        ActivationPolicy[] none = [.. Enumerable.Repeat(ActivationPolicy.Recompute, ActivationSizes.NumActivations)];
        Action[] operations =
        [
            () => compute.Embed(w, batch, x),
            () => compute.Forward(w, x, y, k, null, all, batch),
            () => compute.Backward(w, x, k, null, all, y, s, isFirst: true, batch),
            () => compute.Backward(w, x, null, null, none, y, s, isFirst: true, batch),
            () => compute.HeadLoss(w, w, x, y, s, s, isFirst: true, batch, 1f, result),
            () => compute.EmbeddingBackward(batch, y, s, isFirst: true),
        ];
        return operations.Max(Peak);
    }

    private static long Peak(Action operation)
    {
        operation();
        GC.Collect();

        // 5: the high-water mark starts anew (proc(5)).
        File.WriteAllText("/proc/self/clear_refs", "5");
        long before = Field("VmRSS:");
        operation();
        return Field("VmHWM:") - before;
    }

    private static long Field(string name)
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
    }

    private static DecoderConfig Config(int hidden, int vocabulary) => SmallLlama.Config with
    {
        VocabularySize = vocabulary,
        HiddenSize = hidden,
        NumLayers = 1,
        NumHeads = hidden / 64,
        NumKeyValueHeads = hidden / 128,
        HeadSize = 64,
        IntermediateSize = hidden * 11 / 4,
        MaxPositions = 256,
        QueryKeyNorm = true,
    };
}
