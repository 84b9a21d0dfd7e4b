namespace Offload.Engine.Models;

/// <summary>Activation function of the MLP.</summary>
internal enum ActivationKind
{
    /// <summary>x * sigmoid(x).</summary>
    Silu,

    /// <summary>GELU by the error function.</summary>
    Gelu,

    /// <summary>GELU by the tanh formula (Hub names: gelu_new, gelu_pytorch_tanh, gelu_fast).</summary>
    GeluTanh,

    /// <summary>max(x, 0).</summary>
    Relu,
}
