using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Swapping;
using Offload.Engine.Tests.Compute;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Swap.Planning;

namespace Offload.Engine.Tests.Swapping;

/// <summary>
/// Every operation on units of one model by a device, from random values and for itself, compared with the CPU's <see cref="UnitCompute"/>: two
/// micro-batches that add up, the second of them smaller, and one that counts nothing. Layers run with all policies, which must not change what the
/// device makes of them.
/// </summary>
internal sealed unsafe class UnitComparison : IDisposable
{
    private const int Sequences = 3;
    private const int Tokens = 64;
    private const float GradScale = 1f / 1000;

    private readonly UnitCheckDevice _device;
    private readonly ModelLayout _layout;
    private readonly RunNumerics _numerics;
    private readonly ParallelRanges _threads = new(2);
    private readonly UnitCompute _cpu;
    private readonly IUnitCompute _compute;
    private readonly Random _random;
    private readonly MirroredMemory[] _weights;
    private readonly List<IDisposable> _owned = [];
    private readonly MicroBatch[] _batches;
    private readonly StagedBatch[] _staged;
    private readonly double* _number;
    private readonly bool _isFloat32;
    private readonly long _hiddenBytes;

    /// <param name="device">What is compared.</param>
    /// <param name="config">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="seed">Of all values.</param>
    public UnitComparison(UnitCheckDevice device, DecoderConfig config, ComputeType type, int seed)
    {
        _device = device;
        _layout = ModelLayout.Create(config);
        _isFloat32 = type == ComputeType.Float32;
        _random = new Random(seed);
        _numerics = new RunNumerics
        {
            Type = type,
            SequenceTokens = Tokens,
            MicroBatchSequences = Sequences,
            HeadChunkTokens = 50,
            Seed = 1,
            ComputeThreads = 2,
        };
        _cpu = new UnitCompute(_layout, _numerics, _threads);
        _compute = device.Create(_layout, _numerics);
        _hiddenBytes = (long)Sequences * Tokens * config.HiddenSize * ElementBytes;
        _weights = [.. _layout.Units.Select(unit => Own(new MirroredMemory(device, Math.Max(unit.Count, 1) * ElementBytes)))];
        foreach (UnitLayout unit in _layout.Units)
        {
            _weights[unit.Index].Set(RandomModels.Parameters(_random, unit), _isFloat32);
        }

        _batches =
        [
            Batch(config, new BatchShape(Sequences, Tokens), countedFraction: 0.9),
            Batch(config, new BatchShape(Sequences - 1, Tokens - 19), countedFraction: 0.5),
            Batch(config, new BatchShape(Sequences, Tokens), countedFraction: 0),
        ];
        const int Rows = Sequences * Tokens;
        int stagedInts = (StagedBatch.IntsPerRow * Rows) + 2;
        var staging = Own(new NativeBuffer((_batches.Length * stagedInts * sizeof(int)) + sizeof(double)));
        if (device.Device.Pin((byte*)staging.Address, staging.SizeBytes) is { } pin)
        {
            _owned.Add(pin);
        }

        _number = (double*)staging.Address;
        var ints = (int*)(_number + 1);
        _staged = [.. Enumerable.Range(0, _batches.Length).Select(i => Stage(ints + (i * stagedInts), _batches[i]))];

        static StagedBatch Stage(int* memory, MicroBatch batch)
        {
            var staged = new StagedBatch(memory, Rows);
            staged.Set(batch);
            return staged;
        }
    }

    /// <summary>What was found.</summary>
    public UnitErrors Errors { get; } = new();

    private int ElementBytes => _isFloat32 ? sizeof(float) : sizeof(ushort);

    private DecoderConfig Config => _layout.Config;

    /// <summary>Everything.</summary>
    /// <param name="policies">How many of the 81 choices of policies a layer runs with.</param>
    public void Run(int policies = 81)
    {
        Embedding();
        Layer(policies);
        Head();
        Rounding();
        new TileComparison(_device, _layout, _numerics, _compute, _random, Errors).Run();
    }

    public void Dispose()
    {
        _device.Synchronize();
        _compute.Dispose();
        _owned.Reverse();
        _owned.ForEach(part => part.Dispose());
        _cpu.Dispose();
        _threads.Dispose();
    }

    private void Embedding()
    {
        MirroredMemory hidden = Own(new MirroredMemory(_device, _hiddenBytes));
        MirroredMemory sums = Own(new MirroredMemory(_device, _layout.Units[0].Count * sizeof(float)));
        for (int i = 0; i < _staged.Length; i++)
        {
            _cpu.Embed(_weights[0].Host, _staged[i], hidden.Host);
            _compute.Embed(_weights[0].Device, _staged[i], hidden.Device);
            CompareHidden("embed", hidden, _batches[i]);
            hidden.Fill(_random, HiddenCount(_batches[0]), _isFloat32, scale: 1);
            _cpu.EmbeddingBackward(_staged[i], hidden.Host, sums.Host, i == 0);
            _compute.EmbeddingBackward(_staged[i], hidden.Device, sums.Device, i == 0);
            CompareSums("embedding backward", sums, _layout.Units[0].Count);
        }
    }

    private void Head()
    {
        UnitLayout unit = _layout.Units[^1];
        long tiedCount = Config.TiedEmbeddings ? (long)Config.VocabularySize * Config.HiddenSize : 0;
        MirroredMemory input = Own(new MirroredMemory(_device, _hiddenBytes));
        MirroredMemory gradient = Own(new MirroredMemory(_device, _hiddenBytes));
        MirroredMemory sums = Own(new MirroredMemory(_device, Math.Max(unit.Count, 1) * sizeof(float)));
        MirroredMemory tied = Own(new MirroredMemory(_device, Math.Max(tiedCount, 1) * sizeof(float)));
        bool hasUnit = unit.Count > 0;
        // The first adds nothing to sums that it sets to zero.
        foreach (int i in (int[])[2, 0, 1])
        {
            input.Fill(_random, HiddenCount(_batches[0]), _isFloat32, scale: 2);
            double expected;
            _cpu.ForwardLoss(_weights[^1].Host, _weights[0].Host, input.Host, _staged[i], &expected);
            *_number = double.NaN;
            _compute.ForwardLoss(_weights[^1].Device, _weights[0].Device, input.Device, _staged[i], _number);
            _device.Synchronize();
            Errors.Add("forward loss", expected, *_number);

            _cpu.HeadLoss(
                _weights[^1].Host, _weights[0].Host, input.Host, gradient.Host, hasUnit ? sums.Host : null, tied.Host, i == 2, _staged[i], GradScale, &expected);
            *_number = double.NaN;
            _compute.HeadLoss(
                _weights[^1].Device, _weights[0].Device, input.Device, gradient.Device, hasUnit ? sums.Device : null, tied.Device, i == 2, _staged[i], GradScale, _number);
            _device.Synchronize();
            Errors.Add("head loss", expected, *_number);
            CompareHidden("head gradient", gradient, _batches[i]);
            if (hasUnit)
            {
                CompareTensors("head", sums, (nameof(_layout.FinalNorm), _layout.FinalNorm), (nameof(_layout.FinalNormBias), _layout.FinalNormBias), (nameof(_layout.Head), _layout.Head));
            }

            if (tiedCount > 0)
            {
                CompareSums("head tied sum", tied, tiedCount);
            }
        }
    }

    private void Layer(int numPolicies)
    {
        UnitLayout unit = _layout.Units[1];
        var sizes = new ActivationSizes(Config, _numerics.Type, _batches[0].Shape);
        long slotBytes = Enumerable.Range(0, ActivationSizes.NumActivations).Sum(sizes.ActivationBytes);
        using var kept = new MirroredMemory(_device, slotBytes);
        using var swapped = new MirroredMemory(_device, slotBytes);
        using var input = new MirroredMemory(_device, _hiddenBytes);
        using var output = new MirroredMemory(_device, _hiddenBytes);
        using var gradient = new MirroredMemory(_device, _hiddenBytes);
        using var sums = new MirroredMemory(_device, unit.Count * sizeof(float));
        ActivationPolicy[] everything = [.. Enumerable.Repeat(ActivationPolicy.Keep, ActivationSizes.NumActivations)];
        byte[][] firstOutputs = new byte[_batches.Length][];
        byte[][] firstGradients = new byte[_batches.Length][];
        byte[][] firstSums = new byte[_batches.Length][];
        IEnumerable<ActivationPolicy[]> all = [everything, .. Policies().Where((_, index) => index * numPolicies / 81 != (index - 1) * numPolicies / 81 || index == 0)];
        float[][] inputs = [.. _batches.Select(_ => RandomHidden())];
        float[][] gradients = [.. _batches.Select(_ => RandomHidden())];
        bool isFirst = true;
        foreach (ActivationPolicy[] policies in all)
        {
            for (int i = 0; i < _batches.Length; i++)
            {
                input.Set(inputs[i], _isFloat32);
                gradient.Set(gradients[i], _isFloat32);
                _compute.Forward(_weights[1].Device, input.Device, output.Device, kept.Device, swapped.Device, policies, _staged[i]);
                if (isFirst)
                {
                    _cpu.Forward(_weights[1].Host, input.Host, output.Host, kept.Host, swapped.Host, policies, _staged[i]);
                    CompareHidden("layer forward", output, _batches[i]);
                    CompareKept(kept, sizes, _batches[i]);
                    _cpu.Backward(_weights[1].Host, input.Host, kept.Host, swapped.Host, policies, gradient.Host, sums.Host, i == 0, _staged[i]);
                }

                _compute.Backward(_weights[1].Device, input.Device, kept.Device, swapped.Device, policies, gradient.Device, sums.Device, i == 0, _staged[i]);
                if (isFirst)
                {
                    CompareHidden("layer gradient", gradient, _batches[i]);
                    CompareLayerSums(sums);
                }

                Download("layer output", output);
                Download("layer gradient", gradient);
                Download("layer sums", sums);
                Download("kept activations", kept);
                Download("swapped activations", swapped);
                CompareBits(isFirst, firstOutputs, i, "layer forward by policy", output, HiddenCount(_batches[i]) * ElementBytes);
                CompareBits(isFirst, firstGradients, i, "layer gradient by policy", gradient, HiddenCount(_batches[i]) * ElementBytes);
                CompareBits(isFirst, firstSums, i, "layer sums by policy", sums, unit.Count * sizeof(float));
            }

            isFirst = false;
        }
    }

    private void Rounding()
    {
        long tiedCount = Config.TiedEmbeddings ? (long)Config.VocabularySize * Config.HiddenSize : 1;
        using var tied = new MirroredMemory(_device, tiedCount * sizeof(float));
        tied.Fill(_random, tiedCount, isFloat32: true, scale: 1);
        foreach (UnitLayout unit in _layout.Units.Where(unit => unit.Count > 0))
        {
            using var sums = new MirroredMemory(_device, unit.Count * sizeof(float));
            sums.Fill(_random, unit.Count, isFloat32: true, scale: 1);
            _cpu.RoundGradients(unit.Index, sums.Host, tied.Host);
            _compute.RoundGradients(unit.Index, sums.Device, tied.Device);
            Download("round", sums);
            Errors.AddBits("round", new ReadOnlySpan<byte>(sums.Host, (int)(unit.Count * ElementBytes)), new ReadOnlySpan<byte>(sums.Found, (int)(unit.Count * ElementBytes)));

            sums.Upload();
            double expected;
            _cpu.SumOfSquares(unit.Index, sums.Host, &expected);
            *_number = double.NaN;
            _compute.SumOfSquares(unit.Index, sums.Device, _number);
            _device.Synchronize();
            Errors.Add("sum of squares", expected, *_number);

            _compute.Clear(sums.Device, unit.Count);
            Download("clear", sums);
            Errors.AddBits("clear", new byte[unit.Count * sizeof(float)], new ReadOnlySpan<byte>(sums.Found, (int)(unit.Count * sizeof(float))));
        }
    }

    private static IEnumerable<ActivationPolicy[]> Policies()
    {
        ActivationPolicy[] choices = [ActivationPolicy.Recompute, ActivationPolicy.Keep, ActivationPolicy.SwapToCpu];
        return from a in choices from b in choices from c in choices from d in choices select (ActivationPolicy[])[a, b, c, d];
    }

    private T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Add(part);
        return part;
    }

    private MicroBatch Batch(DecoderConfig config, BatchShape shape, double countedFraction) => new(
        shape, [.. Enumerable.Range(0, shape.Rows).Select(_ => _random.Next(_random.Next(1, config.VocabularySize)))],
        [.. Enumerable.Range(0, shape.Rows).Select(_ => _random.NextDouble() < countedFraction ? _random.Next(config.VocabularySize) : -100)]);

    private long HiddenCount(MicroBatch batch) => (long)batch.Shape.Rows * Config.HiddenSize;

    private float[] RandomHidden()
    {
        var values = new float[HiddenCount(_batches[0])];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)((_random.NextDouble() * 4) - 2);
        }

        return values;
    }

    private void Download(string operation, MirroredMemory memory)
    {
        if (memory.Download())
        {
            throw new InvalidOperationException($"{operation}: the device wrote behind the end of its memory");
        }
    }

    private void CompareHidden(string operation, MirroredMemory hidden, MicroBatch batch)
    {
        Download(operation, hidden);
        if (batch.NumCounted > 0)
        {
            Compare(operation, hidden, 0, HiddenCount(batch), _isFloat32);
        }
    }

    private void CompareSums(string operation, MirroredMemory sums, long count)
    {
        Download(operation, sums);
        Compare(operation, sums, 0, count, isFloat32: true);
    }

    private void CompareKept(MirroredMemory kept, ActivationSizes sizes, MicroBatch batch)
    {
        Download("kept activations", kept);
        long offsetBytes = 0;
        for (int i = 0; i < ActivationSizes.NumActivations; i++)
        {
            foreach (ActivationPart part in sizes.Parts(i))
            {
                // A log-sum-exp is as its kernel has it, and used by the backward.
                if (part != ActivationPart.LogSumExp && batch.NumCounted > 0)
                {
                    Compare($"kept {part}", kept, offsetBytes / ElementBytes, batch.Shape.Rows * sizes.Columns(part), _isFloat32);
                }

                offsetBytes += sizes.PartBytes(part);
            }
        }
    }

    private void CompareLayerSums(MirroredMemory sums)
    {
        LayerLayout layer = _layout.Layer;
        Download("layer sums", sums);
        CompareTensors(
            "layer", sums, (nameof(layer.InputNorm), layer.InputNorm), (nameof(layer.InputNormBias), layer.InputNormBias), (nameof(layer.Qkv), layer.Qkv),
            (nameof(layer.QkvBias), layer.QkvBias), (nameof(layer.QueryNorm), layer.QueryNorm), (nameof(layer.KeyNorm), layer.KeyNorm),
            (nameof(layer.AttentionOut), layer.AttentionOut), (nameof(layer.AttentionOutBias), layer.AttentionOutBias), (nameof(layer.MlpNorm), layer.MlpNorm),
            (nameof(layer.MlpNormBias), layer.MlpNormBias), (nameof(layer.Up), layer.Up), (nameof(layer.UpBias), layer.UpBias), (nameof(layer.Down), layer.Down),
            (nameof(layer.DownBias), layer.DownBias));
    }

    private void CompareTensors(string unit, MirroredMemory sums, params ReadOnlySpan<(string Name, TensorSlot? Slot)> tensors)
    {
        Download(unit, sums);
        foreach ((string name, TensorSlot? slot) in tensors)
        {
            if (slot is not null)
            {
                Compare($"{unit} sum {name}", sums, slot.Offset, slot.Shape.Aggregate(1L, (product, size) => product * size), isFloat32: true);
            }
        }
    }

    private void Compare(string operation, MirroredMemory memory, long first, long count, bool isFloat32) => Errors.Add(
        operation, MirroredMemory.Values(memory.Host, first, count, isFloat32), MirroredMemory.Values(memory.Found, first, count, isFloat32));

    private void CompareBits(bool isFirst, byte[][] firsts, int batch, string operation, MirroredMemory memory, long sizeBytes)
    {
        var found = new ReadOnlySpan<byte>(memory.Found, (int)sizeBytes);
        if (isFirst)
        {
            firsts[batch] = found.ToArray();
            return;
        }

        Errors.AddBits(operation, firsts[batch], found);
        bool isHidden = operation != "layer sums by policy";
        long count = sizeBytes / (isHidden ? ElementBytes : sizeof(float));
        fixed (byte* first = firsts[batch])
        {
            Errors.Add(operation, MirroredMemory.Values(first, 0, count, !isHidden || _isFloat32), MirroredMemory.Values(memory.Found, 0, count, !isHidden || _isFloat32));
        }
    }
}
