using Offload.Engine.Compute;
using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Swapping.Cuda;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>
/// Rates of causal attention as a step has it, at heads of 64 and of 128: as much arithmetic of the one as of the other. libtorch is loaded for CUDA. One thread,
/// on which the device is current.
/// </summary>
internal sealed unsafe class CudaAttentionProbe : IDisposable
{
    /// <summary>Calls of each head size in a sample: some ten milliseconds on a fast GPU, against a few microseconds of waiting for it.</summary>
    private const int Repeats = 8;

    private static readonly int[] HeadSizes = [64, 128];
    private static readonly BatchShape Batch = new(CudaProbeModel.Sequences, CudaProbeModel.Tokens);

    private readonly CudaProbeMemory _memory;
    private readonly CudaStream _stream;
    private readonly CudaKernels _kernels;
    private readonly CudaTimer _timer;
    private readonly CudaTensorViews _views;
    private readonly CudaAttention[] _attentions = new CudaAttention[HeadSizes.Length];
    private readonly byte* _qkv;
    private readonly byte* _outputGradient;
    private readonly string _what;

    /// <param name="device">The GPU; borrowed.</param>
    /// <param name="type">Element type of compute.</param>
    /// <exception cref="Storage.Memory.MemoryLimitException">The GPU has no room for a layer.</exception>
    /// <exception cref="CudaException">The driver refuses, or a library of CUDA is missing.</exception>
    public CudaAttentionProbe(CudaDevice device, ComputeType type)
    {
        _memory = new CudaProbeMemory(device, type);
        _stream = CudaStream.Default(device);
        _views = new CudaTensorViews(device.Ordinal, type);
        _what = $"of {Batch.Sequences} sequences of {Batch.Tokens} tokens, heads of {string.Join(" and ", HeadSizes)}, {(type == ComputeType.Float32 ? "float32" : "bfloat16")}";
        try
        {
            _kernels = new CudaKernels(device, _stream, type);
            _timer = new CudaTimer(device, _stream);
            for (int i = 0; i < HeadSizes.Length; i++)
            {
                DecoderConfig config = CudaProbeModel.Config(HeadSizes[i]);
                var shape = new CudaAttentionShape(config, type, Batch);
                var buffers = new CudaWorkspace(ModelLayout.Create(config), type, Batch, headChunkTokens: 1, shape);
                _attentions[i] = new CudaAttention(shape, _views, _kernels, _stream, buffers, _memory.Allocate(buffers.SizeBytes));
            }

            // Both have as many columns.
            var sizes = new ActivationSizes(CudaProbeModel.Config(HeadSizes[0]), type, Batch);
            _qkv = _memory.Random(Batch.Rows * sizes.Columns(ActivationPart.Qkv));
            _outputGradient = _memory.Random(Batch.Rows * sizes.QuerySize);

            // As ModelWorkload counts: two products, of which half is below the diagonal.
            ForwardTeraFlops = HeadSizes.Length * Repeats * 2.0 * Batch.Rows * sizes.QuerySize * Batch.Tokens / 1e12;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>FLOPs of a forward sample, in 10^12.</summary>
    private double ForwardTeraFlops { get; }

    /// <summary>Forward, its arithmetic counted at the causal half.</summary>
    /// <param name="meter">Takes samples.</param>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate MeasureForward(RateMeter meter, string name) =>
        meter.MeasureSeconds(name, "TFLOP/s", ForwardTeraFlops, $"causal attention {_what}", () => _timer.Seconds(() =>
        {
            foreach (CudaAttention attention in _attentions)
            {
                for (int i = 0; i < Repeats; i++)
                {
                    attention.Forward(_qkv, Batch).Dispose();
                }
            }
        }));

    /// <summary>Its backward, which has five products where the forward has two.</summary>
    /// <param name="meter">Takes samples.</param>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate MeasureBackward(RateMeter meter, string name)
    {
        CudaAttentionResult[] results = [.. _attentions.Select(attention => attention.Forward(_qkv, Batch))];
        try
        {
            return meter.MeasureSeconds(name, "TFLOP/s", 2.5 * ForwardTeraFlops, $"causal attention's backward {_what}", () => _timer.Seconds(() =>
            {
                for (int size = 0; size < _attentions.Length; size++)
                {
                    for (int i = 0; i < Repeats; i++)
                    {
                        _attentions[size].Backward(_qkv, results[size], _outputGradient, Batch).Dispose();
                    }
                }
            }));
        }
        finally
        {
            foreach (CudaAttentionResult result in results)
            {
                result.Dispose();
            }
        }
    }

    /// <summary>Frees everything but what libtorch's allocator keeps for later; idempotent.</summary>
    public void Dispose()
    {
        _stream.Synchronize();
        foreach (CudaAttention? attention in _attentions)
        {
            attention?.Dispose();
        }

        _views.Dispose();
        _timer?.Dispose();
        _kernels?.Dispose();
        _memory.Dispose();
    }
}
