using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

internal readonly unsafe struct BFloat16Gradient : IGradientElement
{
    public static float Load(void* gradients, long index) => BFloat16Convert.ToSingle(((ushort*)gradients)[index]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> Lower, Vector256<float> Upper) Load256(void* gradients, long index) =>
        BFloat16Convert.Widen(Vector256.Load((ushort*)gradients + index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Lower, Vector512<float> Upper) Load512(void* gradients, long index) =>
        BFloat16Convert.Widen(Vector512.Load((ushort*)gradients + index));
}
