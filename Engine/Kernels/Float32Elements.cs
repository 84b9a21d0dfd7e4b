using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>binary32 in memory.</summary>
internal readonly unsafe struct Float32Elements : IElements
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(void* data, long index) => Vector256.Load((float*)data + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(void* data, long index, Vector256<float> value) => value.Store((float*)data + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadOne(void* data, long index) => ((float*)data)[index];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreOne(void* data, long index, float value) => ((float*)data)[index] = value;
}
