using Offload.Engine.Models;

namespace Offload.Engine.Cuda.Kernels;

/// <content>Activations of the MLP.</content>
internal sealed unsafe partial class CudaKernels
{
    /// <summary>By <see cref="ActivationKind"/>.</summary>
    private static readonly string[] ActivationNames = ["silu", "gelu", "gelu_tanh", "relu"];

    private readonly ActivationKernels[] _activations;

    /// <summary>y = act(up), or act(gate) * up.</summary>
    /// <param name="kind">The function.</param>
    /// <param name="gated">Rows of up are two halves, the gate first.</param>
    /// <param name="up">[rows, width], or [rows, 2 width].</param>
    /// <param name="y">[rows, width].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns of y.</param>
    public void ActivationForward(ActivationKind kind, bool gated, void* up, void* y, long rows, int width)
    {
        int isGated = gated ? 1 : 0;
        bool isAligned = IsWhole(width) && IsAligned(up) && IsAligned(y);
        LaunchRows(_activations[(int)kind].Forward, isAligned, rows, width, [(nint)(&isGated), (nint)(&up), (nint)(&y), (nint)(&width)]);
    }

    /// <summary>Gradient of <see cref="ActivationForward"/>.</summary>
    /// <param name="kind">The function.</param>
    /// <param name="gated">Rows of up are two halves, the gate first.</param>
    /// <param name="up">As given forward.</param>
    /// <param name="gradY">[rows, width].</param>
    /// <param name="y">[rows, width]: receives the forward's result again; null: not wanted; may be gradY.</param>
    /// <param name="gradUp">Shaped as up; may be up.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns of gradY.</param>
    public void ActivationBackward(ActivationKind kind, bool gated, void* up, void* gradY, void* y, void* gradUp, long rows, int width)
    {
        int isGated = gated ? 1 : 0;
        bool isAligned = IsWhole(width) && IsAligned(up) && IsAligned(gradY) && IsAligned(y) && IsAligned(gradUp);
        LaunchRows(
            _activations[(int)kind].Backward, isAligned, rows, width,
            [(nint)(&isGated), (nint)(&up), (nint)(&gradY), (nint)(&y), (nint)(&gradUp), (nint)(&width)]);
    }

    private sealed class ActivationKernels(CudaModule module, string name)
    {
        public KernelVariants Forward { get; } = Of(module, name, "forward");

        public KernelVariants Backward { get; } = Of(module, name, "backward");

        private static KernelVariants Of(CudaModule module, string name, string direction) => KernelVariants.Of(module, $"{name}_{direction}");
    }
}
