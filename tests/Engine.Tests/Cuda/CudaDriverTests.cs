using System.Runtime.InteropServices;
using Offload.Engine.Cuda;
using Offload.Profiles;

namespace Offload.Engine.Tests.Cuda;

public sealed class CudaDriverTests
{
    [Fact]
    public void Load_NoDriver_SaysWhatIsMissingAndWhatToDo()
    {
        var error = Assert.Throws<CudaException>(() => CudaDriver.Load("libcuda-absent.so.1"));

        Assert.Contains("libcuda-absent.so.1", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains("NVIDIA driver", error.Hint, StringComparison.Ordinal);
        Assert.Equal((ExitCode.Failed, 0), (error.ExitCode, error.Result));
    }

    [Fact]
    public void Open_NoDriver_IsACudaException()
    {
        Assert.SkipWhen(NativeLibrary.TryLoad(CudaDriver.Library, out _), "this machine has the driver");

        var error = Assert.Throws<CudaException>(() => CudaDevice.Open(0));

        Assert.Contains(CudaDriver.Library, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
    }

    [Fact]
    public void Open_NegativeNumber_Throws() => Assert.Throws<ArgumentOutOfRangeException>(() => CudaDevice.Open(-1));

    [Fact]
    public void Check_Success_DoesNotThrow()
    {
        CudaDriver.Check(0, "copy memory");
        CudaDriver.CheckRelease(0, "free GPU memory");
    }

    [Fact]
    public void CheckRelease_ErrorOfEarlierWork_DoesNotHideIt() => CudaDriver.CheckRelease(700, "free GPU memory");
}
