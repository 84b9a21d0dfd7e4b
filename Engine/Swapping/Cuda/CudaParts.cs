using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Training;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>What the operations of a CUDA unit share; all borrowed but the numbers.</summary>
/// <param name="Layout">The model.</param>
/// <param name="Numerics">What fixes the bits.</param>
/// <param name="Sizes">Sizes of activations.</param>
/// <param name="Stream">libtorch's current stream.</param>
/// <param name="Kernels">Everything but products and attention.</param>
/// <param name="Gemm">Products.</param>
/// <param name="Buffers">Where the workspace's buffers are.</param>
/// <param name="WorkspaceAddress">First byte of the workspace.</param>
internal sealed unsafe record CudaParts(
    ModelLayout Layout, RunNumerics Numerics, ActivationSizes Sizes, CudaStream Stream, CudaKernels Kernels, CudaGemm Gemm, CudaWorkspace Buffers, nint WorkspaceAddress)
{
    /// <summary>The model's shape.</summary>
    public DecoderConfig Config => Layout.Config;

    /// <summary>Bytes of an element of the compute type.</summary>
    public int ElementBytes => Sizes.ElementBytes;

    /// <summary>As the kernels take it.</summary>
    public float NormEpsilon { get; } = (float)Layout.Config.NormEpsilon;

    /// <summary>Scratch for sums of columns or squares.</summary>
    public float* Partials => (float*)At(Buffers.Partials);

    /// <summary>A buffer of the workspace.</summary>
    public byte* At(long offsetBytes) => (byte*)WorkspaceAddress + offsetBytes;

    /// <summary>A tensor in a unit's weights; null if the model has none.</summary>
    public byte* Weight(byte* weights, TensorSlot? slot) => slot is null ? null : weights + (slot.Offset * ElementBytes);

    /// <summary>A tensor in a unit's gradient sums; null if the model has none.</summary>
    public static float* Sum(byte* sums, TensorSlot? slot) => slot is null ? null : (float*)sums + slot.Offset;
}
