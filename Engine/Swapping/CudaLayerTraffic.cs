using Offload.Engine.Models;

namespace Offload.Engine.Swapping;

/// <summary>
/// What a layer on a GPU reads and writes beside products and attention, in elements of the compute type for each token, counted from CudaLayer: every kernel
/// reads and writes its matrices once, and the sums with the residual stream and with biases are part of the products. Stateless.
/// </summary>
internal static class CudaLayerTraffic
{
    /// <summary>
    /// Forward: two norms read and write (4 H). Queries and keys are rotated in place (2 each); if they are normed, they are kept as they were (2) and normed in
    /// place (2). The activation reads up and writes its own width. A copy of attention's output where a plan keeps it is not counted.
    /// </summary>
    /// <param name="config">The model.</param>
    /// <param name="sizes">Of its activations.</param>
    public static double ForwardElements(DecoderConfig config, ActivationSizes sizes) =>
        (4.0 * config.HiddenSize)
        + (((config.Rope is null ? 0 : 2) + (config.QueryKeyNorm ? 4 : 0)) * (sizes.QuerySize + sizes.KeySize))
        + sizes.UpSize + config.IntermediateSize;

    /// <summary>
    /// Backward: two norms read x, gradient and what is around the norm, and write gradient and y (10 H). The activation reads up and gradient and writes both
    /// gradients' places. Gradients of q, k and v are read, rotated and packed; norms of queries and keys read what they were given and change the gradient in place
    /// (3). A bias's gradient is a sum of columns, which reads them.
    /// </summary>
    /// <param name="config">The model.</param>
    /// <param name="sizes">Of its activations.</param>
    public static double BackwardElements(DecoderConfig config, ActivationSizes sizes)
    {
        long qkvSize = sizes.QuerySize + (2 * sizes.KeySize);
        double biases = (config.QueryKeyValueBias ? qkvSize : 0) + (config.AttentionOutputBias ? config.HiddenSize : 0) + (config.MlpBias ? sizes.UpSize + config.HiddenSize : 0);
        return (10.0 * config.HiddenSize)
            + (2.0 * (sizes.UpSize + config.IntermediateSize))
            + (2.0 * qkvSize) + (config.QueryKeyNorm ? 3.0 * (sizes.QuerySize + sizes.KeySize) : 0)
            + biases;
    }
}
