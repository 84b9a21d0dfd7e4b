using Offload.Engine.Compute;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// <see cref="DecoderLayer"/> over device memory. Where the CPU rounds a product before it adds the residual stream, the sum is rounded once here;
/// else values are rounded at the same places. Legend as in LayerLayout.
/// </summary>
/// <param name="parts">What operations share.</param>
/// <param name="attention">Borrowed.</param>
internal sealed unsafe class CudaLayer(CudaParts parts, CudaAttention attention)
{
    private readonly DecoderConfig _config = parts.Config;
    private readonly LayerLayout _layer = parts.Layout.Layer;
    private readonly CudaKernels _kernels = parts.Kernels;
    private readonly CudaLinear _linear = new(parts.Gemm, parts.Kernels, parts.Numerics.Type, parts.Layout.InputMajor, parts.Partials);
    private readonly int _hidden = parts.Config.HiddenSize;
    private readonly int _querySize = (int)parts.Sizes.QuerySize;
    private readonly int _qkvSize = (int)parts.Sizes.Columns(ActivationPart.Qkv);
    private readonly int _rawSize = (int)parts.Sizes.Columns(ActivationPart.RawQueryKey);
    private readonly int _upSize = (int)parts.Sizes.UpSize;

    // Null without rotary positions: the kernels then rotate nothing.
    private readonly float* _cosines = parts.Config.Rope is null ? null : (float*)parts.At(parts.Buffers.Cosines);
    private readonly float* _sines = parts.Config.Rope is null ? null : (float*)parts.At(parts.Buffers.Sines);

    /// <summary>Forward; what has a place in <paramref name="places"/> is left there.</summary>
    /// <param name="weights">The layer's.</param>
    /// <param name="input">[rows, H].</param>
    /// <param name="output">[rows, H].</param>
    /// <param name="places">What is kept.</param>
    /// <param name="batch">The micro-batch.</param>
    public void Forward(byte* weights, byte* input, byte* output, CudaActivations places, BatchShape batch)
    {
        int rows = batch.Rows;
        CudaActivations made = WithWorkspace(places);
        Project(weights, input, made.Qkv, places.RawQueryKey, batch);
        using (CudaAttentionResult result = attention.Forward(made.Qkv, batch))
        {
            Keep(result, places, batch);
            AddAttention(weights, result.Output, input, made.Middle, rows);
        }

        ProjectUp(weights, made.Middle, made.Up, rows);
        byte* activated = parts.At(parts.Buffers.Wide);
        _kernels.ActivationForward(_config.Activation, _config.GatedMlp, made.Up, activated, rows, _config.IntermediateSize);
        _linear.Forward(
            activated, parts.Weight(weights, _layer.Down), parts.Weight(weights, _layer.DownBias), made.Middle, output, rows, _config.IntermediateSize, _hidden);
    }

    /// <summary>Backward. What was kept is used up: gradients take the places of qkv and up.</summary>
    /// <param name="weights">As forward.</param>
    /// <param name="input">As forward.</param>
    /// <param name="places">As forward left it.</param>
    /// <param name="gradient">In: gradient of the output. Out: of the input. [rows, H]</param>
    /// <param name="sums">fp32 gradient sums.</param>
    /// <param name="batch">The micro-batch.</param>
    public void Backward(byte* weights, byte* input, CudaActivations places, byte* gradient, byte* sums, BatchShape batch)
    {
        int rows = batch.Rows;
        CudaActivations saved = WithWorkspace(places);
        if (places.Qkv is null)
        {
            Project(weights, input, saved.Qkv, saved.RawQueryKey, batch);
        }

        bool isKept = places.AttentionOutput is not null && places.LogSumExp is not null && attention.Shape.KeepsLogSumExp(batch);
        using CudaAttentionResult result = isKept
            ? attention.Kept(places.AttentionOutput, places.LogSumExp, batch)
            : attention.Forward(saved.Qkv, batch);
        if (places.Middle is null)
        {
            AddAttention(weights, result.Output, input, saved.Middle, rows);
        }

        if (places.Up is null)
        {
            ProjectUp(weights, saved.Middle, saved.Up, rows);
        }

        MlpBackward(weights, sums, saved, gradient, rows);
        AttentionBackward(weights, sums, saved, result, input, gradient, batch);
    }

    /// <summary>Norm, projections, q/k norms, rotation.</summary>
    /// <param name="weights">The layer's.</param>
    /// <param name="input">[rows, H].</param>
    /// <param name="qkv">Receives [rows, Q + 2K].</param>
    /// <param name="raw">Receives queries and keys before their norms, if the model has such norms; null: not wanted.</param>
    /// <param name="batch">The micro-batch.</param>
    private void Project(byte* weights, byte* input, byte* qkv, byte* raw, BatchShape batch)
    {
        int rows = batch.Rows;
        Norm(weights, input, _layer.InputNorm, _layer.InputNormBias, rows);
        _linear.Forward(
            parts.At(parts.Buffers.Normed), parts.Weight(weights, _layer.Qkv), parts.Weight(weights, _layer.QkvBias), null, qkv, rows, _hidden, _qkvSize);
        if (_layer.QueryNorm is not null)
        {
            if (raw is not null)
            {
                _kernels.CopyColumns(qkv, _qkvSize, raw, _rawSize, rows, _rawSize);
            }

            _kernels.HeadNormForward(
                qkv, rows, _qkvSize, 0, _config.NumHeads, _config.HeadSize, parts.Weight(weights, _layer.QueryNorm), parts.NormEpsilon);
            _kernels.HeadNormForward(
                qkv, rows, _qkvSize, _config.NumHeads, _config.NumKeyValueHeads, _config.HeadSize, parts.Weight(weights, _layer.KeyNorm), parts.NormEpsilon);
        }

        if (_cosines is not null)
        {
            _kernels.Rotary(qkv, rows, _qkvSize, batch.Tokens, _config.NumHeads + _config.NumKeyValueHeads, _config.HeadSize, _cosines, _sines, inverse: false);
        }
    }

    private void AddAttention(byte* weights, byte* attentionOutput, byte* input, byte* middle, int rows) =>
        _linear.Forward(
            attentionOutput, parts.Weight(weights, _layer.AttentionOut), parts.Weight(weights, _layer.AttentionOutBias), input, middle, rows, _querySize, _hidden);

    private void ProjectUp(byte* weights, byte* middle, byte* up, int rows)
    {
        Norm(weights, middle, _layer.MlpNorm, _layer.MlpNormBias, rows);
        _linear.Forward(parts.At(parts.Buffers.Normed), parts.Weight(weights, _layer.Up), parts.Weight(weights, _layer.UpBias), null, up, rows, _hidden, _upSize);
    }

    private void Norm(byte* weights, byte* x, TensorSlot weight, TensorSlot? bias, int rows) =>
        _kernels.NormForward(
            _config.Norm, x, parts.Weight(weights, weight), parts.Weight(weights, bias), parts.At(parts.Buffers.Normed), rows, _hidden, parts.NormEpsilon);

    /// <param name="weights">The layer's.</param>
    /// <param name="sums">Its sums.</param>
    /// <param name="saved">Of the forward; up becomes its gradient.</param>
    /// <param name="gradient">In: gradient of the output. Out: of middle.</param>
    /// <param name="rows">Rows.</param>
    private void MlpBackward(byte* weights, byte* sums, in CudaActivations saved, byte* gradient, int rows)
    {
        int width = _config.IntermediateSize;
        byte* wide = parts.At(parts.Buffers.Wide);
        byte* normed = parts.At(parts.Buffers.Normed);
        _linear.InputGradient(gradient, parts.Weight(weights, _layer.Down), wide, rows, width, _hidden);
        // The gradient of what was activated gives way to what was activated, and up to its own gradient.
        _kernels.ActivationBackward(_config.Activation, _config.GatedMlp, saved.Up, wide, wide, saved.Up, rows, width);
        _linear.AddGradients(wide, gradient, CudaParts.Sum(sums, _layer.Down), CudaParts.Sum(sums, _layer.DownBias), rows, width, _hidden);
        _linear.InputGradient(saved.Up, parts.Weight(weights, _layer.Up), normed, rows, _hidden, _upSize);
        NormBackward(weights, sums, saved.Middle, _layer.MlpNorm, _layer.MlpNormBias, gradient, rows);
        _linear.AddGradients(normed, saved.Up, CudaParts.Sum(sums, _layer.Up), CudaParts.Sum(sums, _layer.UpBias), rows, _hidden, _upSize);
    }

    /// <param name="weights">The layer's.</param>
    /// <param name="sums">Its sums.</param>
    /// <param name="saved">Of the forward; qkv becomes its gradient.</param>
    /// <param name="result">Attention's.</param>
    /// <param name="input">The layer's.</param>
    /// <param name="gradient">In: gradient of middle. Out: of the input.</param>
    /// <param name="batch">The micro-batch.</param>
    private void AttentionBackward(byte* weights, byte* sums, in CudaActivations saved, in CudaAttentionResult result, byte* input, byte* gradient, BatchShape batch)
    {
        int rows = batch.Rows;
        byte* gradOutput = parts.At(parts.Buffers.Wide);
        byte* normed = parts.At(parts.Buffers.Normed);
        _linear.AddGradients(
            result.Output, gradient, CudaParts.Sum(sums, _layer.AttentionOut), CudaParts.Sum(sums, _layer.AttentionOutBias), rows, _querySize, _hidden);
        _linear.InputGradient(gradient, parts.Weight(weights, _layer.AttentionOut), gradOutput, rows, _querySize, _hidden);
        using (CudaAttentionGradients gradients = attention.Backward(saved.Qkv, result, gradOutput, batch))
        {
            _kernels.PackQkvGradient(
                gradients.Query, gradients.Key, gradients.Value, saved.Qkv, batch.Sequences, batch.Tokens, _config.NumHeads, _config.NumKeyValueHeads,
                _config.HeadSize, _cosines, _sines);
        }

        HeadNormsBackward(weights, sums, saved, rows);
        _linear.InputGradient(saved.Qkv, parts.Weight(weights, _layer.Qkv), normed, rows, _hidden, _qkvSize);
        NormBackward(weights, sums, input, _layer.InputNorm, _layer.InputNormBias, gradient, rows);
        _linear.AddGradients(normed, saved.Qkv, CudaParts.Sum(sums, _layer.Qkv), CudaParts.Sum(sums, _layer.QkvBias), rows, _hidden, _qkvSize);
    }

    private void HeadNormsBackward(byte* weights, byte* sums, in CudaActivations saved, int rows)
    {
        if (_layer.QueryNorm is null)
        {
            return;
        }

        _kernels.HeadNormBackward(
            saved.RawQueryKey, _rawSize, saved.Qkv, _qkvSize, rows, 0, _config.NumHeads, _config.HeadSize, parts.Weight(weights, _layer.QueryNorm),
            CudaParts.Sum(sums, _layer.QueryNorm), parts.Partials, parts.NormEpsilon);
        _kernels.HeadNormBackward(
            saved.RawQueryKey, _rawSize, saved.Qkv, _qkvSize, rows, _config.NumHeads, _config.NumKeyValueHeads, _config.HeadSize,
            parts.Weight(weights, _layer.KeyNorm), CudaParts.Sum(sums, _layer.KeyNorm), parts.Partials, parts.NormEpsilon);
    }

    /// <summary>Of the gradient in the normed rows' buffer, which has the normed rows afterwards; what is around the norm is added.</summary>
    private void NormBackward(byte* weights, byte* sums, byte* x, TensorSlot weight, TensorSlot? bias, byte* gradient, int rows)
    {
        byte* normed = parts.At(parts.Buffers.Normed);
        _kernels.NormBackward(
            _config.Norm, x, parts.Weight(weights, weight), parts.Weight(weights, bias), normed, gradient, gradient, normed, CudaParts.Sum(sums, weight),
            CudaParts.Sum(sums, bias), parts.Partials, rows, _hidden, parts.NormEpsilon);
    }

    private void Keep(in CudaAttentionResult result, in CudaActivations places, BatchShape batch)
    {
        if (places.AttentionOutput is null)
        {
            return;
        }

        parts.Stream.Copy(places.AttentionOutput, result.Output, (long)batch.Rows * _querySize * parts.ElementBytes);
        if (attention.Shape.KeepsLogSumExp(batch))
        {
            parts.Stream.Copy(places.LogSumExp, result.LogSumExp, (long)batch.Rows * _config.NumHeads * sizeof(float));
        }
    }

    /// <summary>What is not kept is in the workspace; attention's output is where its kernel puts it.</summary>
    private CudaActivations WithWorkspace(CudaActivations places)
    {
        CudaWorkspace buffers = parts.Buffers;
        places.RawQueryKey = places.Qkv is null ? parts.At(buffers.RawQueryKey) : places.RawQueryKey;
        places.Qkv = places.Qkv is null ? parts.At(buffers.Qkv) : places.Qkv;
        places.Middle = places.Middle is null ? parts.At(buffers.Middle) : places.Middle;
        places.Up = places.Up is null ? parts.At(buffers.Up) : places.Up;
        return places;
    }
}
