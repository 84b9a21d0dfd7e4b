using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>What the CPU kernels can take.</summary>
internal static class CpuKernels
{
    /// <summary>On the CPU, contiguous, fp32 or bf16.</summary>
    public static bool CanRun(Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.dtype is ScalarType.Float32 or ScalarType.BFloat16 && tensor.is_contiguous();

    /// <summary>Rows and columns.</summary>
    public static (int Rows, int Width) MatrixShape(Tensor matrix) => (checked((int)matrix.shape[0]), checked((int)matrix.shape[1]));
}
