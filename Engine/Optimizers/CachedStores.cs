using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Offload.Engine.Optimizers;

/// <summary>Through the caches, to any address.</summary>
internal readonly unsafe struct CachedStores : IVectorStores
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<short> value, short* destination) => value.Store(destination);
}
