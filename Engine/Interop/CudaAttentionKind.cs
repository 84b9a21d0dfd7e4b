namespace Offload.Engine.Interop;

/// <summary>libtorch's attention kernels on CUDA.</summary>
internal enum CudaAttentionKind
{
    /// <summary>FlashAttention: 16-bit types; head sizes that are multiples of 8, up to 256; fewer key/value heads allowed.</summary>
    Flash,

    /// <summary>cuDNN's: as Flash, on newer GPUs.</summary>
    CuDnn,

    /// <summary>Memory-efficient attention: float32 too, without TF32's loss; as many key/value heads as query heads.</summary>
    Efficient,
}
