using System.Runtime.Intrinsics;

namespace Offload.Storage.Numerics;

/// <summary>What this processor's vectors allow.</summary>
public static class SimdSupport
{
    /// <summary>The widest vectors that are done in hardware here.</summary>
    public static SimdWidth Widest =>
        Vector512.IsHardwareAccelerated ? SimdWidth.Vector512
        : Vector256.IsHardwareAccelerated ? SimdWidth.Vector256
        : SimdWidth.Scalar;
}
