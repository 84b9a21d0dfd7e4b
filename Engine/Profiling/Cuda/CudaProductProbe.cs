using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Swapping.Cuda;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>
/// Rate of a layer's matrix products as a step has them: for each of its matrices forward, the gradient of the input, and the gradient of the weights, which is
/// added into fp32 sums. One thread, on which the device is current.
/// </summary>
internal sealed unsafe class CudaProductProbe : IDisposable
{
    private const int HeadSize = 128;
    private const int Rows = CudaProbeModel.Sequences * CudaProbeModel.Tokens;

    /// <summary>Of weights: sums of thousands of products stay of ordinary size.</summary>
    private const float WeightScale = 1f / 64;

    private readonly CudaProbeMemory _memory;
    private readonly CudaStream _stream;
    private readonly CudaKernels _kernels;
    private readonly CudaGemm _gemm;
    private readonly CudaTimer _timer;
    private readonly CudaLinear _linear;
    private readonly string _typeName;
    private readonly Matrix[] _matrices;
    private readonly byte* _input;
    private readonly byte* _inputGradient;
    private readonly byte* _weights;
    private readonly byte* _output;
    private readonly float* _sums;

    /// <param name="device">The GPU; borrowed.</param>
    /// <param name="type">Element type of compute.</param>
    /// <exception cref="Storage.Memory.MemoryLimitException">The GPU has no room for a layer.</exception>
    /// <exception cref="CudaException">The driver refuses, or a library of CUDA is missing.</exception>
    public CudaProductProbe(CudaDevice device, ComputeType type)
    {
        _typeName = type == ComputeType.Float32 ? "float32" : "bfloat16";
        _matrices = Matrices(CudaProbeModel.Config(HeadSize));
        _memory = new CudaProbeMemory(device, type);
        try
        {
            long largest = _matrices.Max(matrix => (long)matrix.Inputs * matrix.Outputs);
            long inputs = _matrices.Max(matrix => matrix.Inputs);
            _input = _memory.Random(Rows * inputs);
            _inputGradient = _memory.Random(Rows * inputs);
            _output = _memory.Random(Rows * (long)_matrices.Max(matrix => matrix.Outputs));
            _weights = _memory.Random(largest, WeightScale);
            _sums = _memory.Zeros(largest);
            _stream = CudaStream.Default(device);
            _kernels = new CudaKernels(device, _stream, type);
            _gemm = new CudaGemm(device, _stream, _memory.Allocate(CudaWorkspace.GemmBytes), CudaWorkspace.GemmBytes);
            _timer = new CudaTimer(device, _stream);
            _linear = new CudaLinear(_gemm, _kernels, type, inputMajor: false, partials: null);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>FLOPs of a sample, in 10^12.</summary>
    private double TeraFlops => _matrices.Sum(matrix => 3 * 2.0 * Rows * matrix.Inputs * matrix.Outputs) / 1e12;

    /// <summary>FLOPs of all products over the time of all.</summary>
    /// <param name="meter">Takes samples.</param>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate Measure(RateMeter meter, string name) => meter.MeasureSeconds(
        name, "TFLOP/s", TeraFlops, $"forward, input and weight gradients of a layer, {Rows} rows, {string.Join(", ", _matrices)}, {_typeName}", () => _timer.Seconds(Layer));

    /// <summary>Frees everything; idempotent.</summary>
    public void Dispose()
    {
        _stream?.Synchronize();
        _timer?.Dispose();
        _gemm?.Dispose();
        _kernels?.Dispose();
        _memory.Dispose();
    }

    private static Matrix[] Matrices(DecoderConfig config)
    {
        int query = config.NumHeads * config.HeadSize;
        int qkv = query + (2 * config.NumKeyValueHeads * config.HeadSize);
        return
        [
            new(config.HiddenSize, qkv, HasAddend: false), new(query, config.HiddenSize, HasAddend: true),
            new(config.HiddenSize, 2 * config.IntermediateSize, HasAddend: false), new(config.IntermediateSize, config.HiddenSize, HasAddend: true),
        ];
    }

    private void Layer()
    {
        foreach (Matrix matrix in _matrices)
        {
            // The sum with the residual stream is part of the product, as in a layer.
            _linear.Forward(_input, _weights, null, matrix.HasAddend ? _inputGradient : null, _output, Rows, matrix.Inputs, matrix.Outputs);
            _linear.InputGradient(_output, _weights, _inputGradient, Rows, matrix.Inputs, matrix.Outputs);
            _linear.AddGradients(_input, _output, _sums, null, Rows, matrix.Inputs, matrix.Outputs);
        }
    }

    private readonly record struct Matrix(int Inputs, int Outputs, bool HasAddend)
    {
        public override string ToString() => $"{Inputs} x {Outputs}";
    }
}
