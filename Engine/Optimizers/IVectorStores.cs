using System.Runtime.Intrinsics;

namespace Offload.Engine.Optimizers;

/// <summary>How a kernel stores what it will not read again soon.</summary>
internal unsafe interface IVectorStores
{
    /// <summary>Stores a vector.</summary>
    static abstract void Store(Vector512<float> value, float* destination);

    /// <summary>Stores a vector.</summary>
    static abstract void Store(Vector512<short> value, short* destination);
}
