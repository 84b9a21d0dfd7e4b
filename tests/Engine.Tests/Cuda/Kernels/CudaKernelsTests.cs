using Offload.Engine.Cuda;
using Offload.Engine.Models;

namespace Offload.Engine.Tests.Cuda.Kernels;

public sealed class CudaKernelsTests
{
    private const int NumSeeds = 3;

    [Theory]
    [InlineData(ComputeType.Float32)]
    [InlineData(ComputeType.BFloat16)]
    public void EachKernel_RandomShapes_AgreesWithTheCpu(ComputeType type)
    {
        using CudaDevice device = CudaTestDevice.OpenOrSkip();
        using var lab = new KernelLab(device, type);
        for (int seed = 1; seed <= NumSeeds; seed++)
        {
            KernelChecks.Run(lab, seed, maxElements: 20000);
        }

        Assert.True(lab.Failures.Count == 0, string.Join(Environment.NewLine, lab.Failures));
    }
}
