using Offload.Engine.Compute;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

/// <summary>Attention, linear, embedding and head, forward and backward, against autograd in float32.</summary>
public sealed class OpTests
{
    private const double Tolerance = 1e-5;

    [Theory]
    [InlineData(1, 1, 1, 1, 2)]
    [InlineData(2, 5, 3, 3, 4)]
    [InlineData(2, 17, 4, 2, 6)]
    [InlineData(1, 40, 6, 1, 16)]
    [InlineData(3, 70, 4, 2, 32)]
    public void Attention_GroupedHeads_AgreesWithAutograd(int sequences, int tokens, int numHeads, int numKeyValueHeads, int headSize)
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(tokens);
        var shape = new BatchShape(sequences, tokens);
        DecoderConfig config = RandomModels.Config(random) with { NumHeads = numHeads, NumKeyValueHeads = numKeyValueHeads, HeadSize = headSize };
        int width = (numHeads + (2 * numKeyValueHeads)) * headSize;
        Tensor qkv = Tensors.Normal(random, ScalarType.Float32, shape.Rows, width);
        Tensor gradOutput = Tensors.Normal(random, ScalarType.Float32, shape.Rows, numHeads * headSize);
        (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(inputs => Attention(inputs[0], shape, config), gradOutput, qkv);

        var op = new AttentionOp(config);
        (Tensor output, Tensor logSumExp) = op.Forward(qkv, shape);
        Tensors.AssertNear(expected, output, Tolerance, "output");
        Tensors.AssertNear(gradients[0], op.Backward(qkv, output, logSumExp, gradOutput, shape), Tolerance, "gradient");
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Linear_EitherLayout_AgreesWithAutograd(bool inputMajor, bool hasBias)
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(3);
        Tensor x = Tensors.Normal(random, ScalarType.Float32, 21, 9);
        Tensor weight = inputMajor ? Tensors.Normal(random, ScalarType.Float32, 9, 14) : Tensors.Normal(random, ScalarType.Float32, 14, 9);
        Tensor bias = Tensors.Normal(random, ScalarType.Float32, 14);
        Tensor gradY = Tensors.Normal(random, ScalarType.Float32, 21, 14);
        (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(
            inputs =>
            {
                Tensor y = einsum(inputMajor ? "ri,io->ro" : "ri,oi->ro", inputs[0], inputs[1]);
                return hasBias ? y + inputs[2] : y;
            },
            gradY, x, weight, bias);
        Tensor weightSum = ones_like(weight);
        Tensor? biasSum = hasBias ? ones_like(bias) : null;

        Tensors.AssertNear(expected, LinearOp.Forward(x, weight, hasBias ? bias : null, inputMajor), Tolerance, "value");
        LinearOp.AccumulateGradients(x, gradY, weightSum, biasSum, inputMajor);
        Tensors.AssertNear(gradients[0], LinearOp.InputGradient(gradY, weight, inputMajor), Tolerance, "gradient of x");
        Tensors.AssertNear(gradients[1] + 1, weightSum, Tolerance, "gradient of the weight");
        if (biasSum is not null)
        {
            Tensors.AssertNear(gradients[2] + 1, biasSum, Tolerance, "gradient of the bias");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void LinearAccumulateGradients_BFloat16_SumsInFloat32(bool inputMajor)
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(4);
        Tensor x = Tensors.Normal(random, ScalarType.BFloat16, 30, 9);
        Tensor gradY = Tensors.Normal(random, ScalarType.BFloat16, 30, 14);
        Tensor product = inputMajor ? x.to(ScalarType.Float32).t().mm(gradY.to(ScalarType.Float32)) : gradY.to(ScalarType.Float32).t().mm(x.to(ScalarType.Float32));
        Tensor weightSum = zeros_like(product);
        Tensor biasSum = zeros(14);
        // A thousand times: summed in bf16, the sum would stand still long before.
        for (int i = 0; i < 1000; i++)
        {
            LinearOp.AccumulateGradients(x, gradY, weightSum, biasSum, inputMajor);
        }

        Tensors.AssertNear(product * 1000, weightSum, 4e-3, "gradient of the weight");
        Tensors.AssertNear(gradY.to(ScalarType.Float32).sum(dim: 0) * 1000, biasSum, 1e-5, "gradient of the bias");
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0)]
    [InlineData(2)]
    public void Embedding_RepeatedIds_AgreesWithAutograd(int? positionOffset)
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(6);
        var shape = new BatchShape(3, 8);
        Tensor tokens = Tensors.Normal(random, ScalarType.Float32, 5, 7);
        Tensor positions = Tensors.Normal(random, ScalarType.Float32, 12, 7);
        Tensor ids = tensor(Enumerable.Range(0, shape.Rows).Select(_ => (long)random.Next(4)).ToArray());
        Tensor gradOutput = Tensors.Normal(random, ScalarType.Float32, shape.Rows, 7);
        (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(
            inputs =>
            {
                Tensor x = nn.functional.one_hot(ids, 5).to(ScalarType.Float32).mm(inputs[0]);
                return positionOffset is int offset ? x + inputs[1].narrow(0, offset, shape.Tokens).repeat(shape.Sequences, 1) : x;
            },
            gradOutput, tokens, positions);
        Tensor tokenSum = ones_like(tokens);
        Tensor positionSum = ones_like(positions);
        Tensor? givenPositions = positionOffset is null ? null : positions;

        Tensors.AssertClose(expected, EmbeddingOp.Forward(ids, tokens, givenPositions, positionOffset ?? 0, shape), Tolerance, "value");
        EmbeddingOp.Backward(ids, gradOutput, tokenSum, positionOffset is null ? null : positionSum, positionOffset ?? 0, paddingId: null, shape);
        Tensors.AssertClose(gradients[0] + 1, tokenSum, Tolerance, "gradient of the tokens");
        Tensors.AssertClose(gradients[1] + 1, positionSum, Tolerance, "gradient of the positions");
    }

    [Fact]
    public void Embedding_PaddingId_AgreesWithAutograd()
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(8);
        var shape = new BatchShape(2, 8);
        Tensor tokens = Tensors.Normal(random, ScalarType.Float32, 4, 7);
        Tensor ids = tensor(Enumerable.Range(0, shape.Rows).Select(i => (long)i % 4).ToArray());
        Tensor gradOutput = Tensors.Normal(random, ScalarType.Float32, shape.Rows, 7);
        using var module = nn.Embedding_from_pretrained(tokens, freeze: false, padding_idx: 2);
        Tensor expected = module.call(ids);
        expected.backward([gradOutput]);
        Tensor tokenSum = ones_like(tokens);
        Tensor positionSum = zeros(8, 7);

        Tensors.AssertClose(expected.detach(), EmbeddingOp.Forward(ids, tokens, null, 0, shape), Tolerance, "value");
        EmbeddingOp.Backward(ids, gradOutput, tokenSum, positionSum, 0, paddingId: 2, shape);
        Tensors.AssertClose(module.weight!.grad! + 1, tokenSum, Tolerance, "gradient of the tokens");
        Tensors.AssertClose(ones(7), tokenSum[2], 0, "gradient of the padding row");
        Tensors.AssertClose(gradOutput.view(2, 8, 7).sum(dim: 0), positionSum, Tolerance, "gradient of the positions");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(1000)]
    public void Head_AnyChunk_AgreesWithAutogradOfTheWhole(int chunkTokens)
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(7);
        Tensor x = Tensors.Normal(random, ScalarType.Float32, 13, 9);
        Tensor weight = Tensors.Normal(random, ScalarType.Float32, 31, 9);
        int[] targets = [.. Enumerable.Range(0, 13).Select(i => i % 4 == 2 ? -100 : random.Next(31))];
        Tensor labels = tensor(targets.Select(target => (long)target).ToArray());
        (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(
            inputs => nn.functional.cross_entropy(inputs[0].mm(inputs[1].t()), labels, ignore_index: -100, reduction: nn.Reduction.Sum),
            tensor(0.125f), x, weight);
        Tensor weightSum = ones_like(weight);

        (double loss, Tensor gradX) = HeadOp.LossAndGradients(x, weight, targets, gradScale: 0.125f, weightSum, chunkTokens);
        Assert.Equal(expected.item<float>(), loss, 1e-4);
        Assert.Equal(loss, HeadOp.Loss(x, weight, targets, chunkTokens), 1e-9);
        Tensors.AssertNear(gradients[0], gradX, Tolerance, "gradient of x");
        Tensors.AssertNear(gradients[1] + 1, weightSum, Tolerance, "gradient of the weight");
    }

    private static Tensor Attention(Tensor qkv, BatchShape shape, DecoderConfig config)
    {
        long groupSize = config.NumHeads / config.NumKeyValueHeads;
        Tensor heads = qkv.view(shape.Sequences, shape.Tokens, -1, config.HeadSize).transpose(1, 2);
        Tensor q = heads.narrow(1, 0, config.NumHeads);
        Tensor k = heads.narrow(1, config.NumHeads, config.NumKeyValueHeads).repeat_interleave(groupSize, dim: 1);
        Tensor v = heads.narrow(1, config.NumHeads + config.NumKeyValueHeads, config.NumKeyValueHeads).repeat_interleave(groupSize, dim: 1);
        Tensor scores = einsum("bhtd,bhsd->bhts", q, k) / Math.Sqrt(config.HeadSize);
        Tensor isFuture = ones(shape.Tokens, shape.Tokens).triu(1).to(ScalarType.Bool);
        Tensor output = einsum("bhts,bhsd->bhtd", scores.masked_fill(isFuture, double.NegativeInfinity).softmax(3), v);
        return output.transpose(1, 2).reshape(shape.Rows, -1);
    }
}
