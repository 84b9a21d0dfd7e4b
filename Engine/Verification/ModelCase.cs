using System.Runtime.InteropServices;
using Offload.Engine.Compute;
using Offload.Engine.Data;
using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Training;
using Offload.Storage;
using Offload.Storage.Safetensors;
using static TorchSharp.torch;

namespace Offload.Engine.Verification;

/// <summary>
/// A model case: logits and gradients of the given batch, then AdamW steps on it, against what Hugging Face computed. Errors are
/// relative: ||a - b|| / ||b||, for gradients over at least 1e-6 of the whole gradient's norm.
/// </summary>
internal sealed class ModelCase(string folder, ParallelRanges threads)
{
    /// <summary>Largest error that passes, in float32.</summary>
    private const double Tolerance = 1e-4;

    /// <summary>
    /// For the weights of a parameter whose expected gradient is below <see cref="NoiseShare"/> of the whole (OPT's key bias: mathematically
    /// zero, what is left is each program's own rounding noise, which Adam amplifies).
    /// </summary>
    private const double NoiseWeightTolerance = 1e-3;

    /// <summary>For the gradient of such a parameter, against that share: 1e-8 of the whole gradient, a sixth of binary32's rounding.</summary>
    private const double NoiseGradientTolerance = 1e-2;

    /// <summary>For gradient norms, which are no more than a help to find where a case goes wrong: large steps amplify rounding in them.</summary>
    private const double NormTolerance = 1e-3;

    private const double NoiseShare = 1e-6;

    private readonly Dictionary<string, double> _errors = [];
    private string? _worst;
    private double _worstExcess;

    /// <summary>Runs the case.</summary>
    public CaseResult Run()
    {
        string name = Path.GetFileName(folder);
        DecoderConfig config = HubConfig.Load(folder);
        ExpectedRun run = ExpectedRun.Read(Path.Combine(folder, "expected.json"));
        using SafetensorsCheckpoint weights = SafetensorsCheckpoint.Open(Path.Combine(folder, "model.safetensors"));
        using SafetensorsCheckpoint expected = SafetensorsCheckpoint.Open(Path.Combine(folder, "expected.safetensors"));
        MicroBatch batch = ReadBatch(config);
        if (config.SlidingWindow is int window && batch.Shape.Tokens > window)
        {
            return new CaseResult(name, "model", CaseStatus.Unsupported, _errors, $"{batch.Shape.Tokens} tokens with a sliding window of {window}, which is not supported yet");
        }

        var numerics = new RunNumerics
        {
            Type = ComputeType.Float32,
            SequenceTokens = batch.Shape.Tokens,
            MicroBatchSequences = batch.Shape.Sequences,
            // Smaller than the batch, so that chunking is part of what is checked.
            HeadChunkTokens = 24,
            Seed = 0,
            ComputeThreads = threads.NumThreads,
        };
        using var model = new ResidentModel(ModelLayout.Create(config), numerics, threads);
        IReadOnlyList<string> unused = ModelImport.Read(weights, model);
        if (unused.Count > 0)
        {
            throw new UnreadableInputException(weights.Path, $"the model has no place for tensor '{unused[0]}'");
        }

        model.CompleteMasters();
        CheckLogits(model, batch, expected);
        HashSet<string> noise = CheckGradients(model, batch, expected);
        CheckSteps(model, batch, run);
        CheckWeights(model, expected, noise);
        return new CaseResult(name, "model", _worstExcess > 1 ? CaseStatus.Failed : CaseStatus.Passed, _errors, _worst);
    }

    private static double Norm(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            sum += (double)value * value;
        }

        return Math.Sqrt(sum);
    }

    private static double Distance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double difference = (double)a[i] - b[i];
            sum += difference * difference;
        }

        return Math.Sqrt(sum);
    }

    private static float[] ReadTensor(SafetensorsCheckpoint checkpoint, string name, long count)
    {
        TensorInfo tensor = checkpoint.Get(name);
        if (tensor.ElementCount != count)
        {
            throw new UnreadableInputException($"{checkpoint.Path}: tensor '{name}'", $"expected {count} elements, found {tensor.ElementCount}");
        }

        var values = new float[count];
        checkpoint.ReadAsSingle(name, 0, values);
        return values;
    }

    private MicroBatch ReadBatch(DecoderConfig config)
    {
        using SafetensorsCheckpoint file = SafetensorsCheckpoint.Open(Path.Combine(folder, "batch.safetensors"));
        TensorInfo info = file.Get("input_ids");
        if (info.Type != ElementType.I64 || info.Shape.Length != 2 || file.Get("labels").Type != ElementType.I64 || !file.Get("labels").Shape.SequenceEqual(info.Shape))
        {
            throw new UnreadableInputException(file.Path, "expected input_ids and labels, both int64 of one shape [sequences, tokens]");
        }

        var shape = new BatchShape((int)info.Shape[0], (int)info.Shape[1]);
        if (shape.Tokens > config.MaxPositions)
        {
            throw new UnreadableInputException(file.Path, $"{shape.Tokens} tokens, but the model has {config.MaxPositions} positions");
        }

        var ids = new long[shape.Rows];
        var labels = new long[shape.Rows];
        file.Read("input_ids", 0, MemoryMarshal.AsBytes(ids.AsSpan()));
        file.Read("labels", 0, MemoryMarshal.AsBytes(labels.AsSpan()));
        var targets = new int[shape.Rows];
        for (int row = 0; row < shape.Rows; row++)
        {
            // The label of a position is what it holds; what it predicts is the next one's.
            bool isLast = row % shape.Tokens == shape.Tokens - 1;
            targets[row] = isLast ? ISequenceDataset.IgnoredLabel : (int)labels[row + 1];
        }

        int vocabularySize = config.VocabularySize;
        if (ids.Any(id => id < 0 || id >= vocabularySize) || labels.Any(label => label != ISequenceDataset.IgnoredLabel && (label < 0 || label >= vocabularySize)))
        {
            throw new UnreadableInputException(file.Path, $"expected ids and labels from 0 to {vocabularySize - 1}, or labels of {ISequenceDataset.IgnoredLabel}, found others");
        }

        return new MicroBatch(shape, [.. ids.Select(id => (int)id)], targets);
    }

    private void CheckLogits(ResidentModel model, MicroBatch batch, SafetensorsCheckpoint expected)
    {
        using Tensor logits = model.Logits(batch);
        float[] actual = logits.data<float>().ToArray();
        float[] reference = ReadTensor(expected, "logits", actual.Length);
        Record("logits", "logits", Distance(actual, reference) / Norm(reference), Tolerance);
    }

    /// <returns>Names of parameters whose gradient is noise.</returns>
    private HashSet<string> CheckGradients(ResidentModel model, MicroBatch batch, SafetensorsCheckpoint expected)
    {
        model.ComputeGradients([batch]);
        double wholeNorm = Math.Sqrt(Parameters(model).Sum(parameter => Math.Pow(Norm(ReadTensor(expected, $"grad.{parameter.Info.Name}", parameter.Info.Count)), 2)));
        var noise = new HashSet<string>(StringComparer.Ordinal);
        foreach ((UnitTensors unit, ParameterInfo info) in Parameters(model))
        {
            float[] reference = ReadTensor(expected, $"grad.{info.Name}", info.Count);
            var actual = new float[info.Count];
            unit.ReadGradients(info.Offset, actual);
            double norm = Norm(reference);
            double error = Distance(actual, reference) / Math.Max(norm, NoiseShare * wholeNorm);
            if (norm < NoiseShare * wholeNorm)
            {
                noise.Add(info.Name);
                Record("noiseGradients", info.Name, error, NoiseGradientTolerance);
            }
            else
            {
                Record("gradients", info.Name, error, Tolerance);
            }
        }

        return noise;
    }

    private void CheckSteps(ResidentModel model, MicroBatch batch, ExpectedRun run)
    {
        var options = new AdamWOptions(run.Betas[0], run.Betas[1], run.Eps, run.WeightDecay);
        for (int step = 0; step < run.Steps; step++)
        {
            StepGradients gradients = model.ComputeGradients([batch]);
            Record("losses", $"loss before step {step + 1}", Math.Abs(gradients.Loss - run.Losses[step]) / Math.Abs(run.Losses[step]), Tolerance);
            if (step < run.GradNorms.Count)
            {
                Record("gradNorms", $"norm of step {step + 1}", Math.Abs(gradients.Norm - run.GradNorms[step]) / run.GradNorms[step], NormTolerance);
            }

            if (!gradients.IsFinite)
            {
                // Recorded above as an infinite error; there is nothing to update with.
                return;
            }

            var update = new AdamWStep(options, run.Lr, step + 1, GradientNorm.ClipScale(gradients.Norm, run.MaxGradNorm));
            model.Update(new UpdateStep(update, update, WeightDecayScope.All));
        }

        if (run.Losses.Count > run.Steps)
        {
            double last = run.Losses[run.Steps];
            Record("losses", "loss after the last step", Math.Abs(model.Evaluate([batch]) - last) / Math.Abs(last), Tolerance);
        }
    }

    private void CheckWeights(ResidentModel model, SafetensorsCheckpoint expected, HashSet<string> noise)
    {
        foreach ((UnitTensors unit, ParameterInfo info) in Parameters(model))
        {
            float[] reference = ReadTensor(expected, $"after.{info.Name}", info.Count);
            var actual = new float[info.Count];
            model.ReadMasters(unit.Layout.Index, info.Offset, actual);
            double error = Distance(actual, reference) / Norm(reference);
            if (noise.Contains(info.Name))
            {
                Record("noiseWeights", info.Name, error, NoiseWeightTolerance);
            }
            else
            {
                Record("weights", info.Name, error, Tolerance);
            }
        }
    }

    private static IEnumerable<(UnitTensors Unit, ParameterInfo Info)> Parameters(ResidentModel model) =>
        model.Units.SelectMany(unit => unit.Layout.Parameters.Select(info => (unit, info)));

    private void Record(string quantity, string where, double error, double tolerance)
    {
        // A NaN is larger than any error.
        double value = double.IsNaN(error) ? double.PositiveInfinity : error;
        _errors[quantity] = Math.Max(_errors.GetValueOrDefault(quantity), value);
        if (value / tolerance > _worstExcess)
        {
            _worstExcess = value / tolerance;
            _worst = $"largest against its limit: {quantity} of {where}: {value:E2} of {tolerance:E0}";
        }
    }
}
