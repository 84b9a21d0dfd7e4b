using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// What a layer's backward needs from its forward; everything cheap (norms, activation function) is recomputed. Owns its tensors
/// but <see cref="Input"/>, which is the previous unit's output, taken over. Legend as in LayerLayout.
/// </summary>
internal sealed class LayerActivations : IDisposable
{
    /// <summary>[rows, H]: the residual stream before the layer, the restart point.</summary>
    public required Tensor Input { get; init; }

    /// <summary>[rows, Q + 2K]: projections after norms and rotation.</summary>
    public required Tensor Qkv { get; init; }

    /// <summary>[rows, Q + K]: query and key projections before their norms; null where they have none.</summary>
    public Tensor? RawQueryKey { get; init; }

    /// <summary>[rows, Q].</summary>
    public required Tensor AttentionOutput { get; init; }

    /// <summary>fp32 [sequences, heads, tokens].</summary>
    public required Tensor LogSumExp { get; init; }

    /// <summary>[rows, H]: the residual stream between attention and MLP.</summary>
    public required Tensor Middle { get; init; }

    /// <summary>[rows, G]: before the activation function.</summary>
    public required Tensor Up { get; init; }

    /// <summary>Hands what was made, which is all but the input, to the dispose scope around the one that it is in.</summary>
    public void MoveToOuterDisposeScope()
    {
        Qkv.MoveToOuterDisposeScope();
        RawQueryKey?.MoveToOuterDisposeScope();
        AttentionOutput.MoveToOuterDisposeScope();
        LogSumExp.MoveToOuterDisposeScope();
        Middle.MoveToOuterDisposeScope();
        Up.MoveToOuterDisposeScope();
    }

    /// <summary>Copies to the places that are given.</summary>
    public void CopyTo(in ActivationViews places)
    {
        places.Qkv?.copy_(Qkv);
        if (RawQueryKey is not null)
        {
            places.RawQueryKey?.copy_(RawQueryKey);
        }

        places.AttentionOutput?.copy_(AttentionOutput);
        places.LogSumExp?.copy_(LogSumExp);
        places.Middle?.copy_(Middle);
        places.Up?.copy_(Up);
    }

    public void Dispose()
    {
        Input.Dispose();
        Qkv.Dispose();
        RawQueryKey?.Dispose();
        AttentionOutput.Dispose();
        LogSumExp.Dispose();
        Middle.Dispose();
        Up.Dispose();
    }
}
