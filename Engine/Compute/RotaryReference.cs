using Offload.Engine.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Rotary embedding as a plain formula over tensors: the reference of RotaryKernel, and what other devices run.</summary>
internal static class RotaryReference
{
    /// <summary>Rotates in place, in fp32 inside: (a, b) -> (a cos - b sin, b cos + a sin), halves of a head paired.</summary>
    /// <param name="heads">[batch, tokens, heads, head size], any strides.</param>
    /// <param name="tables">Angles of at least as many positions as there are tokens.</param>
    /// <param name="inverse">Rotates back: the gradient.</param>
    public static void Rotate(Tensor heads, RotaryTables tables, bool inverse)
    {
        using DisposeScope scope = NewDisposeScope();
        long tokens = heads.shape[1];
        long half = heads.shape[3] / 2;
        Tensor cosines = tensor(tables.Cosines, device: heads.device).view(-1, 1, half).narrow(0, 0, tokens);
        Tensor sines = tensor(tables.Sines, device: heads.device).view(-1, 1, half).narrow(0, 0, tokens);
        if (inverse)
        {
            sines = -sines;
        }

        Tensor first = heads.narrow(3, 0, half);
        Tensor second = heads.narrow(3, half, half);
        Tensor a = first.to(ScalarType.Float32);
        Tensor b = second.to(ScalarType.Float32);
        Tensor rotatedFirst = (a * cosines) - (b * sines);
        Tensor rotatedSecond = (b * cosines).Plus(a * sines);
        first.copy_(rotatedFirst);
        second.copy_(rotatedSecond);
    }
}
