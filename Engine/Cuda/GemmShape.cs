using Offload.Engine.Models;

namespace Offload.Engine.Cuda;

/// <summary>A matrix product of row-major matrices: destination[M, N] = left'[M, K] right'[K, N].</summary>
/// <param name="M">Rows of the result.</param>
/// <param name="N">Columns of the result.</param>
/// <param name="K">What is summed over.</param>
/// <param name="TransposeLeft">left is stored as [K, M], else as [M, K].</param>
/// <param name="TransposeRight">right is stored as [N, K], else as [K, N].</param>
/// <param name="Type">Element type of left and right; sums are fp32 either way, without TF32.</param>
/// <param name="IntoFloat32">destination, bias and addend are fp32 whatever the type is; else they are of the type.</param>
/// <param name="Accumulates">The product is added to what destination holds.</param>
internal readonly record struct GemmShape(int M, int N, int K, bool TransposeLeft, bool TransposeRight, ComputeType Type, bool IntoFloat32, bool Accumulates);
