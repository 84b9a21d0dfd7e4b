namespace Offload.Engine.Models;

/// <summary>Kind of rotary frequencies.</summary>
internal enum RopeKind
{
    /// <summary>theta^(-2i/d).</summary>
    Default,

    /// <summary>Default frequencies divided by <see cref="RopeConfig.Factor"/>.</summary>
    Linear,

    /// <summary>Llama 3.1: low frequencies divided by the factor, high kept, smooth in between.</summary>
    Llama3,
}
