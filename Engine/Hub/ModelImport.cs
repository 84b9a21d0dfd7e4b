using Offload.Engine.Models;
using Offload.Storage;
using Offload.Storage.Safetensors;

namespace Offload.Engine.Hub;

/// <summary>Reads a Hub checkpoint into master weights, tensor by tensor in bounded memory.</summary>
internal static class ModelImport
{
    private const int ChunkElements = 1 << 20;

    /// <summary>Buffers of old checkpoints that hold no weights.</summary>
    private static readonly string[] NoWeights = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];

    /// <summary>Reads all of the model's tensors.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="destination">Receives the masters.</param>
    /// <param name="cancellation">Stops between chunks of 4 MiB.</param>
    /// <returns>Names of tensors in the checkpoint that the model has no place for.</returns>
    /// <exception cref="UnreadableInputException">A tensor is missing or has another shape or an integer type.</exception>
    public static IReadOnlyList<string> Read(SafetensorsCheckpoint checkpoint, IMasterWeightsTarget destination, CancellationToken cancellation = default)
    {
        ModelLayout layout = destination.Layout;
        var unused = new HashSet<string>(checkpoint.Tensors.Keys, StringComparer.Ordinal);
        var buffer = new float[ChunkElements];
        foreach (UnitLayout unit in layout.Units)
        {
            foreach (ParameterInfo parameter in unit.Parameters)
            {
                TensorInfo tensor = Find(checkpoint, layout, parameter);
                unused.Remove(tensor.Name);
                for (long start = 0; start < parameter.Count; start += ChunkElements)
                {
                    cancellation.ThrowIfCancellationRequested();
                    Span<float> chunk = buffer.AsSpan(0, (int)Math.Min(ChunkElements, parameter.Count - start));
                    checkpoint.ReadAsSingle(tensor.Name, start, chunk);
                    destination.WriteMasters(unit.Index, parameter.Offset + start, chunk);
                }
            }
        }

        bool isTied = layout.Config.TiedEmbeddings;
        return [.. unused.Where(name => !NoWeights.Any(name.EndsWith) && !(isTied && name == "lm_head.weight")).Order(StringComparer.Ordinal)];
    }

    private static TensorInfo Find(SafetensorsCheckpoint checkpoint, ModelLayout layout, ParameterInfo parameter)
    {
        string bareName = parameter.Name.StartsWith(layout.BasePrefix, StringComparison.Ordinal)
            ? parameter.Name[layout.BasePrefix.Length..]
            : parameter.Name;
        if (!checkpoint.TryGet(parameter.Name, out TensorInfo? tensor) && !checkpoint.TryGet(bareName, out tensor))
        {
            throw new UnreadableInputException(
                checkpoint.Path,
                $"the checkpoint has no tensor '{parameter.Name}', which a {layout.Config.ModelType} model of this config.json needs",
                "check that config.json belongs to these weights");
        }

        if (!tensor.Shape.SequenceEqual(parameter.Shape))
        {
            throw new UnreadableInputException(
                $"{checkpoint.Path}: tensor '{tensor.Name}'",
                $"expected shape [{string.Join(", ", parameter.Shape)}] by config.json, found [{string.Join(", ", tensor.Shape)}]",
                "check that config.json belongs to these weights");
        }

        if (tensor.Type is not (ElementType.F32 or ElementType.BF16 or ElementType.F16 or ElementType.F64))
        {
            throw new UnreadableInputException(
                $"{checkpoint.Path}: tensor '{tensor.Name}'",
                $"expected floating-point weights, found {tensor.Type.Format()}",
                "quantised checkpoints cannot be fine-tuned; use the full-precision one");
        }

        return tensor;
    }
}
