using Offload.Engine.Cuda;

namespace Offload.Engine.Tests.Cuda;

/// <summary>The GPU of tests that need one.</summary>
internal static class CudaTestDevice
{
    /// <summary>Opens GPU 0, or skips the test with the reason why there is none.</summary>
    public static CudaDevice OpenOrSkip()
    {
        try
        {
            return CudaDevice.Open(0);
        }
        catch (CudaException error)
        {
            Assert.Skip($"no GPU: {error.Message}");
            throw;
        }
    }
}
