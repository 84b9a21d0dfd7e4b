using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Offload.Engine.Optimizers;

internal readonly unsafe struct Float32Gradient : IGradientElement
{
    public static float Load(void* gradients, long index) => ((float*)gradients)[index];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> Lower, Vector256<float> Upper) Load256(void* gradients, long index)
    {
        float* here = (float*)gradients + index;
        return (Vector256.Load(here), Vector256.Load(here + 8));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Lower, Vector512<float> Upper) Load512(void* gradients, long index)
    {
        float* here = (float*)gradients + index;
        return (Vector512.Load(here), Vector512.Load(here + 16));
    }
}
