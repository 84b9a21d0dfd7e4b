using Offload.Engine.Optimizers;
using TorchSharp;

namespace Offload.Engine.Tests.Optimizers;

public sealed class AdamWTorchTests
{
    [Theory]
    [InlineData(0.9, 0.999, 1e-8, 0.01)]
    [InlineData(0.9, 0.95, 1e-8, 0.1)]
    [InlineData(0.4, 0.9, 1e-6, 0.0)]
    public void Update_FiveSteps_AgreeWithTorchAdamW(double beta1, double beta2, double epsilon, double weightDecay)
    {
        const int length = 517;
        const double learningRate = 1e-3;
        AdamWArrays arrays = AdamWArrays.Ordinary(length, seed: 11);
        Array.Clear(arrays.First);
        Array.Clear(arrays.Second);
        using DisposeScope scope = torch.NewDisposeScope();
        var parameter = new TorchSharp.Modules.Parameter(torch.tensor(arrays.Masters()));
        using torch.optim.Optimizer optimizer = torch.optim.AdamW([parameter], learningRate, beta1, beta2, epsilon, weightDecay);
        var options = new AdamWOptions(beta1, beta2, epsilon, weightDecay);
        for (int step = 1; step <= 5; step++)
        {
            AdamWArrays.Ordinary(length, seed: 300 + step).Gradient.CopyTo(arrays.Gradient, 0);
            parameter.grad = torch.tensor(arrays.Gradient);
            optimizer.step();
            AdamWKernel.Update(new AdamWStep(options, learningRate, step), arrays.States, arrays.States, arrays.GradientOf(bfloat16: false), length);
            float[] expected = parameter.detach().data<float>().ToArray();
            float[] actual = arrays.Masters();
            for (int i = 0; i < length; i++)
            {
                double allowed = 1e-6 * Math.Max(Math.Abs(expected[i]), learningRate);
                Assert.InRange((double)actual[i] - expected[i], -allowed, allowed);
            }
        }
    }
}
