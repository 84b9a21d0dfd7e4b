namespace Offload.Engine.Interop;

/// <summary>What a forward returns, by handle; the caller's.</summary>
/// <param name="Output">[sequences, heads, tokens, head size].</param>
/// <param name="LogSumExp">fp32 [sequences, heads, tokens]; of the efficient kernel with tokens rounded up to 32, of cuDNN with a last dimension of 1 in some versions.</param>
/// <param name="Seed">Of the dropout, which is off.</param>
/// <param name="Offset">As <paramref name="Seed"/>.</param>
internal readonly record struct CudaAttentionOutput(nint Output, nint LogSumExp, nint Seed, nint Offset);
