using System.Runtime.Intrinsics;

namespace Offload.Engine.Optimizers;

/// <summary>How gradients of one element type are loaded, widened exactly to float32. Structs implement it, so each kernel is compiled for each.</summary>
internal unsafe interface IGradientElement
{
    static abstract float Load(void* gradients, long index);

    /// <summary>16 gradients.</summary>
    static abstract (Vector256<float> Lower, Vector256<float> Upper) Load256(void* gradients, long index);

    /// <summary>32 gradients.</summary>
    static abstract (Vector512<float> Lower, Vector512<float> Upper) Load512(void* gradients, long index);
}
