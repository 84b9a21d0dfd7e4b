using System.Globalization;
using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;

namespace Offload.Acceptance.Cuda;

/// <summary>GB/s of each kernel, counting what it must read and write once. Contents are zeros or what kernels before left: rates do not depend on them.</summary>
internal sealed unsafe class KernelRates : IDisposable
{
    private const int Rows = 16384;
    private const int Tokens = 1024;
    private const int HeadSize = 128;
    private const int Vocabulary = 32000;
    private const int LossRows = 4096;
    private const long Parameters = 64L << 20;
    private const int Repeats = 20;
    private const float Epsilon = 1e-5f;

    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly CudaKernels _kernels;
    private readonly TextWriter _output;
    private readonly List<DeviceMemory> _memory = [];
    private readonly int _elementBytes;

    private KernelRates(CudaDevice device, ComputeType type, TextWriter output)
    {
        _device = device;
        _stream = CudaStream.Default(device);
        _kernels = new CudaKernels(device, _stream, type);
        _output = output;
        _elementBytes = type == ComputeType.BFloat16 ? sizeof(ushort) : sizeof(float);
    }

    public static void Run(CudaDevice device, ComputeType type, TextWriter output)
    {
        using var rates = new KernelRates(device, type, output);
        foreach (int width in (int[])[2048, 4096, 5632, 8192])
        {
            rates.Rowwise(width);
            rates.Free();
        }

        rates.Heads();
        rates.Free();
        rates.Loss();
        rates.Free();
        rates.Embedding();
        rates.Free();
        rates.Update();
    }

    public void Dispose()
    {
        _stream.Synchronize();
        Free();
        _kernels.Dispose();
    }

    private void Rowwise(int width)
    {
        long matrix = (long)Rows * width * _elementBytes;
        byte* a = Allocate(2 * matrix);
        byte* b = Allocate(2 * matrix);
        byte* c = Allocate(matrix);
        byte* d = Allocate(matrix);
        byte* weight = Allocate((long)width * _elementBytes);
        float* sums = (float*)Allocate(width * sizeof(float));
        float* biasSums = (float*)Allocate(width * sizeof(float));
        float* partials = (float*)Allocate(2L * CudaKernels.MaxPartialRows * width * sizeof(float));
        foreach (NormKind kind in Enum.GetValues<NormKind>())
        {
            byte* bias = kind == NormKind.LayerNorm ? weight : null;
            float* biasSum = kind == NormKind.LayerNorm ? biasSums : null;
            Measure($"{kind} forward {width}", 2 * matrix, () => _kernels.NormForward(kind, a, weight, bias, b, Rows, width, Epsilon));
            Measure($"{kind} add forward {width}", 4 * matrix, () => _kernels.AddNormForward(kind, a, c, a, weight, bias, b, Rows, width, Epsilon));
            Measure($"{kind} backward {width}", 4 * matrix, () => _kernels.NormBackward(kind, a, weight, bias, b, c, d, null, sums, biasSum, partials, Rows, width, Epsilon));
            Measure($"{kind} backward with y {width}", 5 * matrix, () => _kernels.NormBackward(kind, a, weight, bias, b, c, c, d, sums, biasSum, partials, Rows, width, Epsilon));
        }

        Measure($"column sums {width}", matrix, () => _kernels.ColumnSums(a, sums, partials, Rows, width));
        foreach (ActivationKind kind in Enum.GetValues<ActivationKind>())
        {
            Measure($"{kind} gated forward {width}", 3 * matrix, () => _kernels.ActivationForward(kind, gated: true, a, c, Rows, width));
            Measure($"{kind} gated backward {width}", 6 * matrix, () => _kernels.ActivationBackward(kind, gated: true, a, c, d, b, Rows, width));
        }
    }

    private void Heads()
    {
        const int NumHeads = 16;
        const int NumKvHeads = 4;
        const int Stride = (NumHeads + (2 * NumKvHeads)) * HeadSize;
        const int Rotated = (NumHeads + NumKvHeads) * HeadSize;
        byte* packed = Allocate((long)Rows * Stride * _elementBytes);
        byte* raw = Allocate((long)Rows * Stride * _elementBytes);
        byte* weight = Allocate(HeadSize * _elementBytes);
        float* angles = (float*)Allocate(Tokens * HeadSize * sizeof(float));
        float* sums = (float*)Allocate(HeadSize * sizeof(float));
        float* partials = (float*)Allocate(CudaKernels.MaxPartialRows * HeadSize * sizeof(float));
        long rotatedBytes = (long)Rows * Rotated * _elementBytes;
        long queryBytes = (long)Rows * NumHeads * HeadSize * _elementBytes;
        Measure("rotary", 2 * rotatedBytes, () => _kernels.Rotary(packed, Rows, Stride, Tokens, NumHeads + NumKvHeads, HeadSize, angles, angles, inverse: false));
        Measure(
            "pack gradients, rotated", 2L * Rows * Stride * _elementBytes,
            () => _kernels.PackQkvGradient(raw, raw, raw, packed, Rows / Tokens, Tokens, NumHeads, NumKvHeads, HeadSize, angles, angles));
        Measure("copy columns", 2 * rotatedBytes, () => _kernels.CopyColumns(packed, Stride, raw, Rotated, Rows, Rotated));
        Measure("head norm forward", 2 * queryBytes, () => _kernels.HeadNormForward(packed, Rows, Stride, 0, NumHeads, HeadSize, weight, Epsilon));
        Measure(
            "head norm backward", 3 * queryBytes,
            () => _kernels.HeadNormBackward(raw, Rotated, packed, Stride, Rows, 0, NumHeads, HeadSize, weight, sums, partials, Epsilon));
    }

    private void Loss()
    {
        long bytes = (long)LossRows * Vocabulary * _elementBytes;
        byte* logits = Allocate(bytes);
        int* targets = (int*)Allocate(LossRows * sizeof(int));
        float* losses = (float*)Allocate(LossRows * sizeof(float));
        double* sum = (double*)Allocate(sizeof(double));
        Measure($"cross entropy, loss {Vocabulary}", bytes, () => _kernels.CrossEntropy(logits, targets, LossRows, Vocabulary, 1, withGradient: false, losses));
        Measure($"cross entropy {Vocabulary}", 2 * bytes, () => _kernels.CrossEntropy(logits, targets, LossRows, Vocabulary, 1, withGradient: true, losses));
        Measure($"cross entropy {Vocabulary - 1}", 2 * bytes, () => _kernels.CrossEntropy(logits, targets, LossRows, Vocabulary - 1, 1, withGradient: true, losses));
        Measure("sum of losses", LossRows * sizeof(float), () => _kernels.SumLosses(losses, LossRows, sum));
    }

    private void Embedding()
    {
        const int Width = 2048;
        long bytes = (long)Rows * Width * _elementBytes;
        byte* gradient = Allocate(bytes);
        byte* table = Allocate((long)Vocabulary * Width * _elementBytes);
        float* tableSum = (float*)Allocate((long)Vocabulary * Width * sizeof(float));
        int[] order = [.. Enumerable.Range(0, Rows)];
        int* deviceOrder = (int*)Upload(order);
        Measure("embedding forward", 2 * bytes, () => _kernels.EmbeddingForward(deviceOrder, table, null, gradient, Rows / Tokens, Tokens, Width));

        // A quarter of the rows is one id's, a sixteenth another's, the others' are two each.
        int[] starts = [0, Rows / 4, Rows * 5 / 16, .. Enumerable.Range(1, Rows * 11 / 32).Select(i => (Rows * 5 / 16) + (2 * i))];
        int numDistinct = starts.Length - 1;
        int* deviceStarts = (int*)Upload(starts);
        Measure(
            "embedding backward", bytes + (2L * numDistinct * Width * sizeof(float)),
            () => _kernels.EmbeddingBackward(deviceOrder, deviceStarts, deviceOrder, numDistinct, gradient, tableSum, Width, -1));
        Measure("position backward", bytes, () => _kernels.PositionBackward(gradient, tableSum, Rows / Tokens, Tokens, Width));
    }

    private void Update()
    {
        var step = new AdamWStep(new AdamWOptions(), 1e-3, 1);
        var states = new AdamWStates(
            (ushort*)Allocate(Parameters * sizeof(ushort)), (short*)Allocate(Parameters * sizeof(short)),
            (float*)Allocate(Parameters * sizeof(float)), (float*)Allocate(Parameters * sizeof(float)));
        byte* gradient = Allocate(Parameters * sizeof(float));
        byte* weights = Allocate(Parameters * sizeof(float));
        double* partials = (double*)Allocate((CudaKernels.MaxSquarePartials + 1) * sizeof(double));
        Measure("add floats", 12 * Parameters, () => _kernels.AddFloats((float*)gradient, (float*)weights, Parameters));
        Measure("round to bfloat16", 6 * Parameters, () => _kernels.RoundToBFloat16((float*)gradient, (ushort*)weights, Parameters));
        Measure("sum of squares, bfloat16", 2 * Parameters, () => _kernels.SumOfSquares(gradient, isFloat32: false, Parameters, partials, partials + CudaKernels.MaxSquarePartials));
        Measure("sum of squares, float32", 4 * Parameters, () => _kernels.SumOfSquares(gradient, isFloat32: true, Parameters, partials, partials + CudaKernels.MaxSquarePartials));
        Measure("adamw, bfloat16 gradient", (26 + _elementBytes) * Parameters, () => _kernels.AdamW(step, states, states, gradient, gradientIsFloat32: false, weights, Parameters));
        Measure("set weights", (_elementBytes == sizeof(ushort) ? 4 : 8) * Parameters, () => _kernels.SetWeights(states, weights, Parameters));
    }

    private void Measure(string kernel, long sizeBytes, Action launch)
    {
        using var start = new CudaEvent(_device);
        using var end = new CudaEvent(_device);
        for (int i = 0; i < 3; i++)
        {
            launch();
        }

        start.Record(_stream);
        for (int i = 0; i < Repeats; i++)
        {
            launch();
        }

        end.Record(_stream);
        end.Wait();
        double seconds = end.SecondsSince(start) / Repeats;
        _output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {kernel,-36} {seconds * 1e6,9:F1} us {sizeBytes / seconds / 1e9,8:F0} GB/s"));
    }

    private byte* Allocate(long sizeBytes)
    {
        var memory = new DeviceMemory(_device, sizeBytes, "kernel rates", limit: null);
        _memory.Add(memory);
        _stream.Clear(memory.Address, sizeBytes);
        return memory.Address;
    }

    private byte* Upload(int[] values)
    {
        byte* address = Allocate(values.Length * sizeof(int));
        fixed (int* source = values)
        {
            _stream.Copy(address, source, values.Length * sizeof(int));
            _stream.Synchronize();
        }

        return address;
    }

    private void Free()
    {
        _stream.Synchronize();
        _memory.ForEach(memory => memory.Dispose());
        _memory.Clear();
    }
}
