namespace Offload.Storage.Numerics;

/// <summary>Width of the vectors a kernel works with. Results never depend on it; only tests and checks choose it.</summary>
public enum SimdWidth
{
    /// <summary>One element at a time.</summary>
    Scalar,

    /// <summary>256 bits (x86 with AVX2).</summary>
    Vector256,

    /// <summary>512 bits (x86 with AVX-512).</summary>
    Vector512,
}
