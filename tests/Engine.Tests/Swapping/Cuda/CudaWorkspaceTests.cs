using FsCheck.Xunit;
using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Swapping.Cuda;
using Offload.Engine.Tests.Compute;
using Offload.Profiles;
using Offload.Swap.Planning;

namespace Offload.Engine.Tests.Swapping.Cuda;

/// <summary>Where compute's buffers lie on a GPU: buffers that are used at once never share a byte, and all are within the workspace.</summary>
public sealed unsafe class CudaWorkspaceTests
{
    private const int Alignment = 256;

    [Property(MaxTest = 200)]
    public void Workspace_AnyModel_BuffersOfAnOperationAreApart(int seed)
    {
        var random = new Random(seed);
        DecoderConfig config = RandomModels.Config(random);
        ComputeType type = random.Next(2) == 0 ? ComputeType.Float32 : ComputeType.BFloat16;
        var shape = new BatchShape(random.Next(1, 5), random.Next(1, 200));
        var layout = ModelLayout.Create(config);
        var attention = new CudaAttentionShape(config, type, shape);
        int chunk = random.Next(1, 600);

        var workspace = new CudaWorkspace(layout, type, shape, chunk, attention);

        int element = type == ComputeType.Float32 ? 4 : 2;
        var sizes = new ActivationSizes(config, type, shape);
        long rows = shape.Rows;
        long padded = rows * config.NumHeads * attention.PaddedHeadSize * element;
        long paddedKey = rows * config.NumKeyValueHeads * attention.PaddedHeadSize * element;
        long key = rows * sizes.KeySize * element;
        List<(long Start, long Bytes)> common =
        [
            (workspace.Gemm, CudaWorkspace.GemmBytes), (workspace.Partials, 256L * 4 * Math.Max(2 * config.HiddenSize, Math.Max(sizes.UpSize, sizes.Columns(ActivationPart.Qkv)))),
        ];
        if (config.Rope is not null)
        {
            common.AddRange([(workspace.Cosines, (long)shape.Tokens * config.HeadSize * 2), (workspace.Sines, (long)shape.Tokens * config.HeadSize * 2)]);
        }

        List<(long Start, long Bytes)> layer =
        [
            .. common, (workspace.Normed, rows * config.HiddenSize * element), (workspace.Qkv, rows * sizes.Columns(ActivationPart.Qkv) * element),
            (workspace.Middle, rows * config.HiddenSize * element), (workspace.Up, rows * sizes.UpSize * element),
            (workspace.Wide, rows * Math.Max(config.IntermediateSize, sizes.QuerySize) * element),
        ];
        if (config.QueryKeyNorm)
        {
            layer.Add((workspace.RawQueryKey, rows * sizes.Columns(ActivationPart.RawQueryKey) * element));
        }

        if (attention.IsPadded)
        {
            layer.AddRange(
                [(workspace.PaddedQkv, padded + (2 * paddedKey)), (workspace.PaddedOutput, padded), (workspace.PaddedGradient, padded), (workspace.Compact, rows * sizes.QuerySize * element)]);
        }

        if (attention.Repeats)
        {
            layer.AddRange([(workspace.KeyValue, paddedKey), (workspace.RepeatedKey, padded), (workspace.RepeatedValue, padded)]);
        }

        if (attention.IsPadded || attention.Repeats)
        {
            layer.AddRange([(workspace.KeyGradient, key), (workspace.ValueGradient, key)]);
        }

        AssertApart(layer, workspace.SizeBytes);
        AssertApart(
            [
                .. common, (workspace.Normed, rows * config.HiddenSize * element), (workspace.Logits, Math.Min(chunk, rows) * config.VocabularySize * element),
                (workspace.RowLosses, rows * 4),
            ],
            workspace.SizeBytes);
        AssertApart([.. common, (workspace.FirstRounded, CudaWorkspace.FirstRoundedElements * 2)], workspace.SizeBytes);
        Assert.Equal(CudaUnitCompute.ArenaBytes(layout, type, shape, chunk), workspace.SizeBytes);
        Assert.Equal(
            workspace.SizeBytes + Math.Max(CudaUnitCompute.AttentionBytes(layout, type, shape), CudaUnitCompute.AttentionBytes(layout, type, shape, isDeterministic: true)),
            CudaUnitCompute.WorkspaceBytes(layout, type, shape, chunk));
    }

    [Property(MaxTest = 200)]
    public void Activations_AnyPolicies_LieWhereTheCpuHasThem(int seed)
    {
        var random = new Random(seed);
        DecoderConfig config = RandomModels.Config(random);
        ComputeType type = random.Next(2) == 0 ? ComputeType.Float32 : ComputeType.BFloat16;
        var shape = new BatchShape(2, 7);
        var layout = ModelLayout.Create(config);
        var sizes = new ActivationSizes(config, type, shape);
        ActivationPolicy[] policies = [.. Enumerable.Range(0, ActivationSizes.NumActivations).Select(_ => (ActivationPolicy)random.Next(4))];
        using var slots = new GuardedSlots();
        long slotBytes = Enumerable.Range(0, ActivationSizes.NumActivations).Sum(sizes.ActivationBytes);
        byte* kept = slots.Get("kept", slotBytes);
        byte* swapped = slots.Get("swapped", slotBytes);
        using var views = new SlotViews(layout, type, sizes);

        CudaActivations places = CudaActivations.Of(sizes, kept, swapped, policies);

        ActivationViews expected = views.Activations(kept, swapped, policies, shape);
        Assert.Equal(Address(expected.Qkv), (nint)places.Qkv);
        Assert.Equal(Address(expected.RawQueryKey), (nint)places.RawQueryKey);
        Assert.Equal(Address(expected.AttentionOutput), (nint)places.AttentionOutput);
        Assert.Equal(Address(expected.LogSumExp), (nint)places.LogSumExp);
        Assert.Equal(Address(expected.Middle), (nint)places.Middle);
        Assert.Equal(Address(expected.Up), (nint)places.Up);
    }

    [Theory]
    [InlineData(ComputeType.BFloat16, 64, 6, 2, CudaAttentionKind.Flash, 64, false)]
    [InlineData(ComputeType.BFloat16, 20, 6, 2, CudaAttentionKind.Flash, 24, false)]
    [InlineData(ComputeType.Float32, 64, 6, 2, CudaAttentionKind.Efficient, 64, true)]
    [InlineData(ComputeType.Float32, 10, 6, 6, CudaAttentionKind.Efficient, 12, false)]
    internal void AttentionShape_Model_IsWhatTheKernelTakes(
        ComputeType type, int headSize, int numHeads, int numKeyValueHeads, CudaAttentionKind kind, int paddedHeadSize, bool repeats)
    {
        DecoderConfig config = RandomModels.Config(new Random(1)) with { HeadSize = headSize, NumHeads = numHeads, NumKeyValueHeads = numKeyValueHeads };

        var shape = new CudaAttentionShape(config, type, new BatchShape(2, 48));

        Assert.Equal((kind, paddedHeadSize, repeats), (shape.Kind, shape.PaddedHeadSize, shape.Repeats));
        Assert.Equal(kind != CudaAttentionKind.Efficient, shape.KeepsLogSumExp(new BatchShape(2, 48)));
        Assert.True(shape.KeepsLogSumExp(new BatchShape(2, 64)));
        Assert.True(shape.AllocatedBytes() > 5L * 2 * 48 * numHeads * paddedHeadSize * shape.ElementBytes);
    }

    [Fact]
    public void AttentionShape_WideHeadsInBFloat16_IsRefused()
    {
        DecoderConfig config = RandomModels.Config(new Random(1)) with { HeadSize = 264 };

        UsageException error = Assert.Throws<UsageException>(() => new CudaAttentionShape(config, ComputeType.BFloat16, new BatchShape(1, 8)));

        Assert.Contains("found 264", error.Message, StringComparison.Ordinal);
    }

    private static nint Address(TorchSharp.torch.Tensor? view) => view is null ? 0 : (nint)Aten.DataPointer(view);

    private static void AssertApart(IEnumerable<(long Start, long Bytes)> buffers, long sizeBytes)
    {
        long end = 0;
        foreach ((long start, long bytes) in buffers.OrderBy(buffer => buffer.Start))
        {
            Assert.Equal(0, start % Alignment);
            Assert.True(start >= end, $"a buffer at {start} begins before {end}");
            end = start + bytes;
        }

        Assert.True(end <= sizeBytes, $"a buffer ends at {end}, the workspace at {sizeBytes}");
    }
}
