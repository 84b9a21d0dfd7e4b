using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using TorchSharp;

namespace Offload.Engine.Tests.Compute;

/// <summary>Nothing that compute makes outlives it, whether it ends well or not.</summary>
[Collection(nameof(ProcessWide))]
public sealed class ComputeMemoryTests
{
    private static long LiveTensors => DisposeScopeManager.Statistics.ThreadTotalLiveCount;

    [Theory]
    [InlineData(ComputeType.Float32)]
    [InlineData(ComputeType.BFloat16)]
    public void ComputeGradients_ManyTimes_KeepsNothing(ComputeType type)
    {
        using var threads = new ParallelRanges(2);
        long buffersBefore = NativeBuffer.OutstandingBytes;
        long tensorsBefore = LiveTensors;
        using (ResidentModel model = SmallLlama.Create(type, threads))
        {
            MicroBatch batch = SyntheticText.Batch(new Random(1), 4, SmallLlama.Tokens);
            model.ComputeGradients([batch]);
            (long tensors, long buffers) = (LiveTensors, NativeBuffer.OutstandingBytes);
            for (int i = 0; i < 20; i++)
            {
                model.ComputeGradients([batch, batch]);
                model.Evaluate([batch]);
                model.Logits(batch).Dispose();
                Assert.Equal(tensors, LiveTensors);
                Assert.Equal(buffers, NativeBuffer.OutstandingBytes);
            }
        }

        Assert.Equal(tensorsBefore, LiveTensors);
        Assert.Equal(buffersBefore, NativeBuffer.OutstandingBytes);
    }

    [Fact]
    public void ComputeGradients_FailingAnywhere_KeepsNothing()
    {
        using var threads = new ParallelRanges(2);
        using ResidentModel model = SmallLlama.Create(ComputeType.Float32, threads);
        MicroBatch good = SyntheticText.Batch(new Random(1), 4, SmallLlama.Tokens);
        model.ComputeGradients([good]);
        long tensors = LiveTensors;

        // In the head, after all layers.
        Fails(good with { Targets = [.. good.Targets[..^1], SyntheticText.VocabularySize] });
        // In the embedding.
        Fails(good with { Ids = [.. good.Ids[..^1], SyntheticText.VocabularySize] });

        void Fails(MicroBatch batch)
        {
            Assert.NotNull(Record.Exception(() => model.ComputeGradients([batch])));
            Assert.Equal(tensors, LiveTensors);
        }
    }

    [Fact]
    public void LayerBackward_Failing_KeepsNothing()
    {
        ModelLayout layout = ModelLayout.Create(SmallLlama.Config);
        using DisposeScope scope = torch.NewDisposeScope();
        using var weights = new LayerTensors(layout.Layer, torch.rand(layout.Units[1].Count));
        using var sums = new LayerTensors(layout.Layer, torch.zeros(layout.Units[1].Count));
        var shape = new BatchShape(2, 8);
        var layer = new DecoderLayer(layout, new RotaryTables(SmallLlama.Config.Rope!, SmallLlama.Config.HeadSize, 8));
        (torch.Tensor output, LayerActivations saved) = layer.Forward(weights, torch.rand(shape.Rows, SmallLlama.Config.HiddenSize), shape);
        saved.LogSumExp.Dispose();
        long tensors = LiveTensors;
        Assert.NotNull(Record.Exception(() => layer.Backward(weights, sums, saved, output, shape)));
        Assert.Equal(tensors, LiveTensors);
        saved.Dispose();
    }
}
