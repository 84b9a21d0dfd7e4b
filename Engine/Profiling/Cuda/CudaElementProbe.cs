using Offload.Engine.Compute;
using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Swapping;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>
/// Rate at which a GPU's memory is read and written by what a layer has beside products and attention: norms, rotation, activations and their gradients, each
/// counted by what it must read and write once, as ModelWorkload counts. One thread, on which the device is current.
/// </summary>
internal sealed unsafe class CudaElementProbe : IDisposable
{
    private const int HeadSize = 128;
    private const int Rows = CudaProbeModel.Sequences * CudaProbeModel.Tokens;

    /// <summary>Layers in a sample: some ten milliseconds on a fast GPU.</summary>
    private const int Repeats = 8;

    private readonly DecoderConfig _config = CudaProbeModel.Config(HeadSize);
    private readonly CudaProbeMemory _memory;
    private readonly CudaStream _stream;
    private readonly CudaKernels _kernels;
    private readonly CudaTimer _timer;
    private readonly byte* _hidden;
    private readonly byte* _normed;
    private readonly byte* _gradient;
    private readonly byte* _qkv;
    private readonly byte* _qkvGradient;
    private readonly byte* _up;
    private readonly byte* _wide;
    private readonly byte* _weight;
    private readonly float* _weightSum;
    private readonly float* _partials;
    private readonly float* _angles;
    private readonly double _gigabytes;

    /// <param name="device">The GPU; borrowed.</param>
    /// <param name="type">Element type of compute.</param>
    /// <exception cref="Storage.Memory.MemoryLimitException">The GPU has no room for a layer.</exception>
    /// <exception cref="CudaException">The driver refuses, or a library of CUDA is missing.</exception>
    public CudaElementProbe(CudaDevice device, ComputeType type)
    {
        _memory = new CudaProbeMemory(device, type);
        _stream = CudaStream.Default(device);
        try
        {
            _kernels = new CudaKernels(device, _stream, type);
            _timer = new CudaTimer(device, _stream);
            int hidden = _config.HiddenSize;
            var sizes = new ActivationSizes(_config, type, new BatchShape(CudaProbeModel.Sequences, CudaProbeModel.Tokens));
            _hidden = _memory.Random((long)Rows * hidden);
            _normed = _memory.Random((long)Rows * hidden);
            _gradient = _memory.Random((long)Rows * hidden);
            _qkv = _memory.Random(Rows * sizes.Columns(ActivationPart.Qkv));
            _qkvGradient = _memory.Random(Rows * sizes.Columns(ActivationPart.Qkv));
            _up = _memory.Random(Rows * sizes.UpSize);
            _wide = _memory.Random((long)Rows * _config.IntermediateSize);
            _weight = _memory.Random(hidden);
            _weightSum = _memory.Zeros(hidden);
            _partials = _memory.Zeros((long)CudaKernels.MaxPartialRows * hidden);
            _angles = _memory.Zeros((long)CudaProbeModel.Tokens * HeadSize / 2);
            _gigabytes = Repeats * (double)Rows * _memory.ElementBytes
                * (CudaLayerTraffic.ForwardElements(_config, sizes) + CudaLayerTraffic.BackwardElements(_config, sizes)) / 1e9;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Bytes of all kernels over the time of all.</summary>
    /// <param name="meter">Takes samples.</param>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate Measure(RateMeter meter, string name) => meter.MeasureSeconds(
        name, "GB/s", _gigabytes, $"a layer's norms, rotation, activations and their gradients, {Rows} rows of {_config.HiddenSize}", () => _timer.Seconds(() =>
        {
            for (int i = 0; i < Repeats; i++)
            {
                Forward();
                Backward();
            }
        }));

    /// <summary>Frees everything; idempotent.</summary>
    public void Dispose()
    {
        _stream.Synchronize();
        _timer?.Dispose();
        _kernels?.Dispose();
        _memory.Dispose();
    }

    // The calls of CudaLayer, in its order. Angles of zero: nothing grows however often this is repeated.
    private void Forward()
    {
        int stride = (_config.NumHeads + (2 * _config.NumKeyValueHeads)) * HeadSize;
        Norm();
        _kernels.Rotary(_qkv, Rows, stride, CudaProbeModel.Tokens, _config.NumHeads + _config.NumKeyValueHeads, HeadSize, _angles, _angles, inverse: false);
        Norm();
        _kernels.ActivationForward(_config.Activation, _config.GatedMlp, _up, _wide, Rows, _config.IntermediateSize);
    }

    private void Backward()
    {
        long querySize = (long)Rows * _config.NumHeads * HeadSize * _memory.ElementBytes;
        long keySize = (long)Rows * _config.NumKeyValueHeads * HeadSize * _memory.ElementBytes;
        _kernels.ActivationBackward(_config.Activation, _config.GatedMlp, _up, _wide, _wide, _up, Rows, _config.IntermediateSize);
        NormBackward();
        _kernels.PackQkvGradient(
            _qkvGradient, _qkvGradient + querySize, _qkvGradient + querySize + keySize, _qkv, CudaProbeModel.Sequences, CudaProbeModel.Tokens, _config.NumHeads,
            _config.NumKeyValueHeads, HeadSize, _angles, _angles);
        NormBackward();
    }

    private void Norm() =>
        _kernels.NormForward(_config.Norm, _hidden, _weight, null, _normed, Rows, _config.HiddenSize, (float)_config.NormEpsilon);

    private void NormBackward() => _kernels.NormBackward(
        _config.Norm, _hidden, _weight, null, _normed, _gradient, _gradient, _normed, _weightSum, null, _partials, Rows, _config.HiddenSize, (float)_config.NormEpsilon);
}
