using Offload.Engine.Compute;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;

namespace Offload.Engine.Swapping.Cuda;

/// <summary><see cref="HeadOp"/> and the final norm over device memory: chunks of tokens, logits never whole.</summary>
/// <param name="parts">What operations share.</param>
internal sealed unsafe class CudaHead(CudaParts parts)
{
    private readonly ModelLayout _layout = parts.Layout;
    private readonly DecoderConfig _config = parts.Config;
    private readonly CudaKernels _kernels = parts.Kernels;

    // [vocabulary, H] in every family.
    private readonly CudaLinear _linear = new(parts.Gemm, parts.Kernels, parts.Numerics.Type, inputMajor: false, parts.Partials);

    /// <summary>Loss alone.</summary>
    /// <param name="weights">The head's.</param>
    /// <param name="tiedWeights">The embedding's, if tied.</param>
    /// <param name="input">[rows, H].</param>
    /// <param name="targets">[rows].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="loss">Receives the sum of losses, in pinned memory.</param>
    public void Loss(byte* weights, byte* tiedWeights, byte* input, int* targets, int rows, double* loss)
    {
        byte* x = Normed(weights, input, rows);
        byte* matrix = Matrix(weights, tiedWeights);
        float* losses = (float*)parts.At(parts.Buffers.RowLosses);
        for (int start = 0; start < rows; start += parts.Numerics.HeadChunkTokens)
        {
            int count = Math.Min(parts.Numerics.HeadChunkTokens, rows - start);
            byte* logits = Logits(Row(x, start), matrix, count);
            _kernels.CrossEntropy(logits, targets + start, count, _config.VocabularySize, 0, withGradient: false, losses + start);
        }

        _kernels.SumLosses(losses, rows, loss);
    }

    /// <summary>Loss and gradients.</summary>
    /// <param name="weights">The head's.</param>
    /// <param name="tiedWeights">The embedding's, if tied.</param>
    /// <param name="input">[rows, H].</param>
    /// <param name="gradient">Receives the input's gradient; other memory.</param>
    /// <param name="sums">The head's.</param>
    /// <param name="tiedSums">Stands for the matrix's sum, if tied.</param>
    /// <param name="targets">[rows].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="gradScale">Factor of the gradient.</param>
    /// <param name="loss">Receives the sum of losses, in pinned memory.</param>
    public void LossAndGradients(
        byte* weights, byte* tiedWeights, byte* input, byte* gradient, byte* sums, byte* tiedSums, int* targets, int rows, float gradScale, double* loss)
    {
        int hidden = _config.HiddenSize;
        int vocabulary = _config.VocabularySize;
        byte* x = Normed(weights, input, rows);
        // A chunk's normed rows are used up when their gradient is made.
        byte* gradX = _layout.FinalNorm is null ? gradient : x;
        byte* matrix = Matrix(weights, tiedWeights);
        float* matrixSum = _layout.Head is null ? (float*)tiedSums : CudaParts.Sum(sums, _layout.Head);
        float* losses = (float*)parts.At(parts.Buffers.RowLosses);
        for (int start = 0; start < rows; start += parts.Numerics.HeadChunkTokens)
        {
            int count = Math.Min(parts.Numerics.HeadChunkTokens, rows - start);
            byte* chunk = Row(x, start);
            byte* logits = Logits(chunk, matrix, count);
            _kernels.CrossEntropy(logits, targets + start, count, vocabulary, gradScale, withGradient: true, losses + start);
            _linear.AddGradients(chunk, logits, matrixSum, null, count, hidden, vocabulary);
            _linear.InputGradient(logits, matrix, Row(gradX, start), count, hidden, vocabulary);
        }

        _kernels.SumLosses(losses, rows, loss);
        if (_layout.FinalNorm is not null)
        {
            _kernels.NormBackward(
                _config.Norm, input, parts.Weight(weights, _layout.FinalNorm), parts.Weight(weights, _layout.FinalNormBias), gradX, null, gradient, null,
                CudaParts.Sum(sums, _layout.FinalNorm), CudaParts.Sum(sums, _layout.FinalNormBias), parts.Partials, rows, hidden, parts.NormEpsilon);
        }
    }

    /// <summary>Zero for a micro-batch that counts nothing, behind what the stream has to do before.</summary>
    public void NoLoss(double* loss)
    {
        float* losses = (float*)parts.At(parts.Buffers.RowLosses);
        parts.Stream.Clear(losses, sizeof(float));
        _kernels.SumLosses(losses, 1, loss);
    }

    private byte* Normed(byte* weights, byte* input, int rows)
    {
        if (_layout.FinalNorm is null)
        {
            return input;
        }

        byte* normed = parts.At(parts.Buffers.Normed);
        _kernels.NormForward(
            _config.Norm, input, parts.Weight(weights, _layout.FinalNorm), parts.Weight(weights, _layout.FinalNormBias), normed, rows, _config.HiddenSize,
            parts.NormEpsilon);
        return normed;
    }

    private byte* Logits(byte* chunk, byte* matrix, int count)
    {
        byte* logits = parts.At(parts.Buffers.Logits);
        _linear.Forward(chunk, matrix, null, null, logits, count, _config.HiddenSize, _config.VocabularySize);
        return logits;
    }

    private byte* Matrix(byte* weights, byte* tiedWeights) =>
        _layout.Head is null ? parts.Weight(tiedWeights, _layout.TokenEmbedding) : parts.Weight(weights, _layout.Head);

    private byte* Row(byte* matrix, int row) => matrix + ((long)row * _config.HiddenSize * parts.ElementBytes);
}
