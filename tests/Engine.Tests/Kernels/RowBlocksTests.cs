using Offload.Engine.Compute;
using Offload.Engine.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Tests.Compute;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Kernels;

/// <summary>The kernels' results do not depend on the number of threads, bit for bit.</summary>
[Collection(nameof(ProcessWide))]
public sealed class RowBlocksTests
{
    private const int Rows = 700;
    private const int Width = 141;

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Kernels_AnyNumberOfThreads_SameBits(ScalarType type)
    {
        int usual = RowBlocks.NumThreads;
        try
        {
            RowBlocks.NumThreads = 1;
            float[][] expected = RunAll(type);
            foreach (int numThreads in (int[])[2, 3, 7])
            {
                RowBlocks.NumThreads = numThreads;
                float[][] actual = RunAll(type);
                for (int i = 0; i < expected.Length; i++)
                {
                    Assert.True(expected[i].AsSpan().SequenceEqual(actual[i]), $"result {i} with {numThreads} threads");
                }
            }
        }
        finally
        {
            RowBlocks.NumThreads = usual;
        }
    }

    private static float[][] RunAll(ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(3);
        Tensor x = Tensors.Normal(random, type, Rows, Width);
        Tensor gradY = Tensors.Normal(random, type, Rows, Width);
        Tensor weight = Tensors.Normal(random, type, Width);
        Tensor bias = Tensors.Normal(random, type, Width);
        Tensor weightSum = zeros(Width);
        Tensor biasSum = zeros(Width);
        Tensor gated = Tensors.Normal(random, type, Rows, 2 * Width);
        Tensor packed = Tensors.Normal(random, type, Rows, 8 * 24);
        Tensor logits = Tensors.Normal(random, type, Rows, Width);
        var tables = new RotaryTables(new RopeConfig(RopeKind.Default, 1e4), 24, Rows / 2);
        int[] targets = [.. Enumerable.Range(0, Rows).Select(_ => random.Next(-10, Width))];
        var results = new List<Tensor>
        {
            NormOp.Forward(x, weight, bias, 1e-5),
            NormOp.Backward(x, weight, hasBias: true, 1e-5, gradY, weightSum, biasSum),
            weightSum,
            biasSum,
            ActivationOp.Forward(gated, ActivationKind.Silu, gated: true),
            ActivationOp.Backward(gated, gradY, ActivationKind.Silu, gated: true),
        };
        RotaryOp.Rotate(packed, new BatchShape(2, Rows / 2), 7, 24, tables, inverse: false);
        double loss = CrossEntropyOp.Apply(logits, targets, 0.1f);
        results.AddRange([packed, logits, tensor([loss])]);
        return [.. results.Select(Tensors.Values)];
    }
}
