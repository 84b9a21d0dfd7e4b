namespace Offload.Engine.Swapping;

/// <summary>A tensor of a micro-batch in slot memory.</summary>
internal enum ActivationPart
{
    /// <summary>[rows, H], compute type: what one unit hands to the next, or its gradient.</summary>
    Hidden,

    /// <summary>[rows, Q + 2K], compute type.</summary>
    Qkv,

    /// <summary>[rows, Q + K], compute type.</summary>
    RawQueryKey,

    /// <summary>[rows, Q], compute type.</summary>
    AttentionOutput,

    /// <summary>fp32, in memory [sequences, tokens, heads] as the attention kernel makes it; seen as [sequences, heads, tokens].</summary>
    LogSumExp,

    /// <summary>[rows, H], compute type.</summary>
    Middle,

    /// <summary>[rows, G], compute type.</summary>
    Up,
}
