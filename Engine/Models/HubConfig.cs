using System.Globalization;
using System.Text.Json;
using Offload.Storage;

namespace Offload.Engine.Models;

/// <summary>
/// Reads a Hub <c>config.json</c> of a decoder-only model, in the spelling of transformers 5 (<c>rope_parameters</c>, <c>dtype</c>) or
/// of older ones (<c>rope_theta</c>, <c>rope_scaling</c>, <c>torch_dtype</c>). What changes the model's function and is not
/// supported is refused by the field's name; keys that do not are ignored. Absent keys mean what they mean to transformers
/// (<c>configuration_*.py</c> of each family), except that the sizes of the network must be present.
/// </summary>
internal static class HubConfig
{
    /// <summary>The file's name in a model's folder.</summary>
    public const string FileName = "config.json";

    // A config is a few KiB; whoever names a weights file here should not have it read into memory.
    private const long MaxSizeBytes = 16L << 20;

    private const double MaxParameters = 1e15;

    /// <summary>The values of <c>model_type</c> that <see cref="Load"/> understands.</summary>
    public static IReadOnlyList<string> SupportedModelTypes { get; } = ["gpt2", "llama", "mistral", "opt", "qwen2", "qwen3"];

    /// <summary>Reads the config of a model.</summary>
    /// <param name="folderOrConfigPath">A model's folder, or its config file.</param>
    /// <exception cref="UnreadableInputException">The file is missing, unreadable or not JSON, or has a field that is wrong or not supported.</exception>
    public static DecoderConfig Load(string folderOrConfigPath)
    {
        bool isFolder = Directory.Exists(folderOrConfigPath);
        string path = isFolder ? Path.Combine(folderOrConfigPath, FileName) : folderOrConfigPath;
        byte[] json;
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                throw isFolder
                    ? new UnreadableInputException(folderOrConfigPath, $"no {FileName} in this folder", "name a folder with a model in the Hugging Face layout: config.json and *.safetensors")
                    : new UnreadableInputException(folderOrConfigPath, "no such folder or file", "name a folder with a model in the Hugging Face layout");
            }

            if (file.Length > MaxSizeBytes)
            {
                throw new UnreadableInputException(path, $"{file.Length} bytes are too many for a model's config (at most {MaxSizeBytes})", $"name the model's folder or its {FileName}");
            }

            json = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UnreadableInputException(path, $"cannot be read: {e.Message}", cause: e);
        }

        return Parse(json, path);
    }

    /// <summary>The meaning of a config's text.</summary>
    /// <param name="json">UTF-8, with or without a byte order mark.</param>
    /// <param name="where">The file's name for error messages.</param>
    /// <exception cref="UnreadableInputException">Not JSON, or a field is wrong or not supported.</exception>
    public static DecoderConfig Parse(ReadOnlyMemory<byte> json, string where)
    {
        if (json.Span.StartsWith("\uFEFF"u8))
        {
            json = json[3..];
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            throw new UnreadableInputException(where, $"not valid JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1})", "fetch the model's config.json again", e);
        }

        using (document)
        {
            return Parse(document.RootElement, where);
        }
    }

    /// <summary>The meaning of a config that is JSON already.</summary>
    /// <param name="root">The config's object.</param>
    /// <param name="where">The file's name for error messages.</param>
    /// <exception cref="UnreadableInputException">A field is wrong or not supported.</exception>
    public static DecoderConfig Parse(JsonElement root, string where)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new UnreadableInputException(where, $"expected a JSON object, found {HubConfigFields.Describe(root)}", "fetch the model's config.json again");
        }

        var fields = new HubConfigFields(root, where);
        string modelType = fields.String("model_type");
        DecoderConfig config = modelType switch
        {
            "gpt2" => HubConfigFamilies.Gpt2(fields),
            "llama" => HubConfigFamilies.Llama(fields),
            "mistral" => HubConfigFamilies.Mistral(fields),
            "opt" => HubConfigFamilies.Opt(fields),
            "qwen2" => HubConfigFamilies.Qwen2(fields),
            "qwen3" => HubConfigFamilies.Qwen3(fields),
            _ when HasSparseExperts(modelType, fields) => throw fields.Unsupported("model_type", "sparse experts are not supported yet; supported: " + string.Join(", ", SupportedModelTypes)),
            _ => throw fields.Unsupported("model_type", "supported: " + string.Join(", ", SupportedModelTypes)),
        };
        RequirePossibleSize(config, where);
        return config;
    }

    /// <summary>Why a folder's model cannot be run though its config.json is well formed: its family is not supported. Null: it is, or the file is another's to refuse.</summary>
    internal static string? UnsupportedFamily(string folder)
    {
        try
        {
            using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, FileName)));
            return config.RootElement.GetProperty("model_type").GetString() is { } modelType && !SupportedModelTypes.Contains(modelType)
                ? $"model_type '{modelType}' is not supported yet"
                : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Keeps every count of parameters, and of bytes for them, within 63 bits.</summary>
    private static void RequirePossibleSize(DecoderConfig config, string where)
    {
        double attentionWidth = ((double)config.NumHeads + config.NumKeyValueHeads) * config.HeadSize;
        double perLayer = config.HiddenSize * ((2 * attentionWidth) + (3.0 * config.IntermediateSize));
        double all = (config.NumLayers * perLayer) + (config.HiddenSize * ((2.0 * config.VocabularySize) + config.MaxPositions));
        if (all > MaxParameters)
        {
            throw new UnreadableInputException(
                where,
                string.Create(CultureInfo.InvariantCulture, $"the numbers of layers and heads and the hidden, intermediate, head and vocabulary sizes make {all:0.0e0} parameters; at most {MaxParameters:0.0e0} are supported"),
                "fetch the model's config.json again");
        }
    }

    private static bool HasSparseExperts(string modelType, HubConfigFields fields) =>
        modelType == "mixtral"
        || modelType.Contains("moe", StringComparison.OrdinalIgnoreCase)
        || fields.Has("num_local_experts") || fields.Has("num_experts") || fields.Has("n_routed_experts");
}
