using TorchSharp;

namespace Offload.Engine.Interop;

/// <summary>
/// Scalars that stay. TorchSharp passes a scalar's handle to libtorch and holds on to the object no longer: the collector may free it while
/// libtorch reads it (seen as "Expected false to be true", Scalar.h, and it could as well be another number). Any thread.
/// </summary>
internal static class Scalars
{
    /// <summary>1: for the sums that TorchSharp would make one for itself.</summary>
    public static readonly Scalar One = 1;
}
