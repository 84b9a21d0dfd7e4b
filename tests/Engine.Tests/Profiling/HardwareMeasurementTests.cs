using System.Runtime.InteropServices;
using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Engine.Profiling;
using Offload.Engine.Training;

namespace Offload.Engine.Tests.Profiling;

public sealed class HardwareMeasurementTests
{
    [Fact]
    public void Run_GpuWithoutADriver_TellsSoBeforeAnythingIsMeasured()
    {
        Assert.SkipWhen(NativeLibrary.TryLoad(CudaDriver.Library, out _), "this machine has a driver");
        var told = new List<string>();
        var options = new HardwareMeasurementOptions { Type = ComputeType.BFloat16, Threads = 1, Device = ComputeDevice.Cuda, WorkingSetBytes = 8 << 20 };

        CudaException error = Assert.Throws<CudaException>(() => HardwareMeasurement.Run(options, told.Add, cancellation: TestContext.Current.CancellationToken));

        Assert.Contains("driver", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
        Assert.Empty(told);
    }

    [Fact]
    public void DefaultWorkingSet_Gpu_IsNeverBelowTheCpusNorAboveFourGibibytes()
    {
        long onGpu = HardwareMeasurementOptions.DefaultWorkingSet(ComputeDevice.Cuda);

        Assert.InRange(onGpu, HardwareMeasurementOptions.DefaultWorkingSetBytes, 4L << 30);
        Assert.Equal(HardwareMeasurementOptions.DefaultWorkingSetBytes, HardwareMeasurementOptions.DefaultWorkingSet(ComputeDevice.Cpu));
    }
}
