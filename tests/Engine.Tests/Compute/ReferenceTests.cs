using Offload.Engine.Compute;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

/// <summary>The plain formulas that kernels are measured by, against TorchSharp's own operators and their autograd, in float32.</summary>
public sealed class ReferenceTests
{
    private const double Tolerance = 1e-5;

    [Theory]
    [InlineData(1, 1, false)]
    [InlineData(7, 13, false)]
    [InlineData(40, 64, false)]
    [InlineData(7, 13, true)]
    [InlineData(40, 64, true)]
    public void Norm_RandomRows_AgreesWithAutograd(int rows, int width, bool layerNorm)
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(width);
        Tensor x = Tensors.Normal(random, ScalarType.Float32, scale: 2, mean: 0.5, rows, width);
        Tensor weight = Tensors.Normal(random, ScalarType.Float32, width);
        Tensor bias = Tensors.Normal(random, ScalarType.Float32, width);
        Tensor gradY = Tensors.Normal(random, ScalarType.Float32, rows, width);
        (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(
            inputs => layerNorm
                ? nn.functional.layer_norm(inputs[0], [width], inputs[1], inputs[2], 1e-5)
                : inputs[0] / (inputs[0].pow(2).mean([1], keepdim: true) + 1e-5).sqrt() * inputs[1],
            gradY, x, weight, bias);
        Tensor weightSum = ones(width);
        Tensor? biasSum = layerNorm ? ones(width) : null;

        Tensors.AssertClose(expected, NormReference.Forward(x, weight, layerNorm ? bias : null, 1e-5), Tolerance, "value");
        Tensor gradX = NormReference.Backward(x, weight, layerNorm, 1e-5, gradY, weightSum, biasSum);
        Tensors.AssertNear(gradients[0], gradX, Tolerance, "gradient of x", floor: 1e-3 * Math.Sqrt(x.numel()));
        Tensors.AssertClose(gradients[1] + 1, weightSum, Tolerance, "gradient of the weight");
        if (biasSum is not null)
        {
            Tensors.AssertClose(gradients[2] + 1, biasSum, Tolerance, "gradient of the bias");
        }
    }

    [Fact]
    public void Rotary_RandomHeads_AgreesWithAutograd()
    {
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(2);
        var tables = new RotaryTables(new RopeConfig(RopeKind.Default, 1000), headSize: 10, numPositions: 9);
        Tensor heads = Tensors.Normal(random, ScalarType.Float32, 2, 7, 3, 10);
        Tensor gradY = Tensors.Normal(random, ScalarType.Float32, 2, 7, 3, 10);
        // As complex numbers: a pair is a + ib, rotated by exp(i * position * theta^(-2j/d)).
        Tensor frequencies = pow(1000, arange(0, 10, 2, ScalarType.Float64) / -10);
        Tensor angles = (arange(7, ScalarType.Float64).view(-1, 1, 1) * frequencies).to(ScalarType.Float32);
        Tensor turn = polar(ones_like(angles), angles);
        (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(
            inputs =>
            {
                Tensor pairs = complex(inputs[0].narrow(3, 0, 5).contiguous(), inputs[0].narrow(3, 5, 5).contiguous()) * turn;
                return cat([pairs.real, pairs.imag], 3);
            },
            gradY, heads);

        RotaryReference.Rotate(heads, tables, inverse: false);
        Tensors.AssertClose(expected, heads, Tolerance, "value");
        RotaryReference.Rotate(gradY, tables, inverse: true);
        Tensors.AssertClose(gradients[0], gradY, Tolerance, "gradient");
    }

    [Theory]
    [InlineData(ActivationKind.Silu)]
    [InlineData(ActivationKind.Gelu)]
    [InlineData(ActivationKind.GeluTanh)]
    [InlineData(ActivationKind.Relu)]
    public void Activation_RandomRows_AgreesWithAutograd(object value)
    {
        var kind = (ActivationKind)value;
        foreach (bool gated in (bool[])[false, true])
        {
            using DisposeScope scope = NewDisposeScope();
            var random = new Random((int)kind);
            Tensor up = Tensors.Normal(random, ScalarType.Float32, scale: 2, mean: 0, 30, gated ? 22 : 11);
            Tensor gradY = Tensors.Normal(random, ScalarType.Float32, 30, 11);
            (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(
                inputs => gated ? Function(inputs[0].narrow(1, 0, 11), kind) * inputs[0].narrow(1, 11, 11) : Function(inputs[0], kind), gradY, up);
            Tensors.AssertClose(expected, ActivationReference.Forward(up, kind, gated), Tolerance, $"{kind}");
            Tensors.AssertClose(gradients[0], ActivationReference.Backward(up, gradY, kind, gated), Tolerance, $"{kind}, gradient");
        }
    }

    [Fact]
    public void CrossEntropy_RandomLogits_AgreesWithAutograd()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor logits = Tensors.Normal(new Random(9), ScalarType.Float32, scale: 3, mean: 0, 6, 23);
        int[] targets = [5, -100, 0, 22, -100, 7];
        Tensor labels = tensor(targets.Select(target => (long)target).ToArray());
        (Tensor expected, Tensor[] gradients) = Tensors.Differentiate(
            inputs => nn.functional.cross_entropy(inputs[0], labels, ignore_index: -100, reduction: nn.Reduction.Sum), tensor(0.25f), logits);
        double loss = CrossEntropyReference.Apply(logits, targets, gradScale: 0.25f);
        Assert.Equal(expected.item<float>(), loss, 1e-4);
        Tensors.AssertClose(gradients[0], logits, Tolerance, "gradient");
    }

    private static Tensor Function(Tensor x, ActivationKind kind) => kind switch
    {
        ActivationKind.Silu => nn.functional.silu(x),
        ActivationKind.Gelu => nn.functional.gelu(x),
        ActivationKind.Relu => nn.functional.relu(x),
        _ => 0.5 * x * (1 + (Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x.pow(3)))).tanh()),
    };
}
