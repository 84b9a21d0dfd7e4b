using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Offload.Engine.Optimizers;

/// <summary>Past the caches, to addresses aligned to 64 bytes.</summary>
internal readonly unsafe struct StreamingStores : IVectorStores
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* destination) => value.StoreAlignedNonTemporal(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<short> value, short* destination) => value.StoreAlignedNonTemporal(destination);
}
