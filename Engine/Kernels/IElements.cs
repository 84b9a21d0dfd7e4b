using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>How CPU kernels load and store elements of a type as fp32, eight at a time or one.</summary>
internal unsafe interface IElements
{
    static abstract Vector256<float> Load(void* data, long index);

    static abstract void Store(void* data, long index, Vector256<float> value);

    static abstract float LoadOne(void* data, long index);

    static abstract void StoreOne(void* data, long index, float value);
}
