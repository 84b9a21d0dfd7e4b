using System.Text.Json;
using System.Text.Json.Nodes;
using Offload.Engine.Models;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Engine.Hub;

/// <summary>
/// The small files beside a Hub model's weights: configuration and tokenizer. A run keeps copies, so that it can be resumed and
/// exported when the folder it came from is gone.
/// </summary>
internal sealed class HubCompanions
{
    private static readonly string[] Names =
    [
        HubConfig.FileName, "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
        "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
    ];

    /// <summary>Of these, what has no say in training.</summary>
    private static readonly string[] NotNumeric = ["generation_config.json", "chat_template.jinja"];

    private readonly IReadOnlyDictionary<string, byte[]> _files;

    private HubCompanions(IReadOnlyDictionary<string, byte[]> files)
    {
        _files = files;
    }

    /// <summary>Reads those that are there; config.json must be.</summary>
    /// <exception cref="UnreadableInputException">The folder or its config.json is missing, or config.json cannot be rewritten for an export.</exception>
    /// <exception cref="StorageException">Reading failed.</exception>
    public static HubCompanions Read(string folderPath)
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (string name in Names)
        {
            string path = Path.Combine(folderPath, name);
            if (File.Exists(path))
            {
                try
                {
                    files.Add(name, File.ReadAllBytes(path));
                }
                catch (Exception error) when (error is IOException or UnauthorizedAccessException)
                {
                    throw new StorageException(path, "read", error.Message, cause: error);
                }
            }
        }

        if (!files.TryGetValue(HubConfig.FileName, out byte[]? config))
        {
            throw new UnreadableInputException(folderPath, $"no {HubConfig.FileName} in this folder", "give a folder of a Hugging Face model");
        }

        RequireRewritable(Path.Combine(folderPath, HubConfig.FileName), config);
        return new HubCompanions(files);
    }

    /// <summary>The first file of configuration or tokenizer that two folders have different bytes of; null if there is none.</summary>
    public string? DifferenceFrom(HubCompanions other) => Names.Except(NotNumeric).FirstOrDefault(name =>
        !_files.GetValueOrDefault(name, []).AsSpan().SequenceEqual(other._files.GetValueOrDefault(name, [])));

    /// <summary>A file that an export writes, or another program's counterpart of it: what a new export may replace.</summary>
    public static bool IsModelFile(string fileName) =>
        Names.Contains(fileName, StringComparer.Ordinal)
        || fileName == ModelExport.MarkFile
        || fileName == "model.safetensors.index.json"
        || (fileName.StartsWith("model", StringComparison.Ordinal) && fileName.EndsWith(".safetensors", StringComparison.Ordinal));

    /// <summary>Writes all files into a folder.</summary>
    /// <param name="folderPath">An existing folder.</param>
    /// <param name="elementType">Element type to put into config.json under the name it uses; null: as it was.</param>
    /// <exception cref="StorageException">Writing failed.</exception>
    public void WriteTo(string folderPath, string? elementType = null)
    {
        foreach ((string name, byte[] content) in _files)
        {
            bool isConfig = name == HubConfig.FileName && elementType is not null;
            AtomicFile.Write(Path.Combine(folderPath, name), isConfig ? WithElementType(content, elementType!) : content);
        }
    }

    /// <summary>An export rewrites config.json at the end of a run: whether it can is asked at the beginning.</summary>
    private static void RequireRewritable(string path, byte[] config)
    {
        try
        {
            _ = WithElementType(config, "float32");
        }
        catch (Exception error) when (error is JsonException or ArgumentException or InvalidOperationException)
        {
            // ArgumentException: a name stands twice; InvalidOperationException: half a surrogate pair, or no object.
            throw new UnreadableInputException(path, $"not JSON that can be written again: {error.Message.ReplaceLineEndings(" ")}", "fetch the model's config.json again", error);
        }
    }

    private static byte[] WithElementType(byte[] config, string elementType)
    {
        // A byte order mark is no JSON, but HubConfig reads over it.
        ReadOnlySpan<byte> json = config.AsSpan().StartsWith("\uFEFF"u8) ? config.AsSpan(3) : config;
        JsonObject root = JsonNode.Parse(json)?.AsObject() ?? throw new InvalidOperationException("expected an object, found null");
        // transformers 5 writes "dtype", older versions "torch_dtype"; both read both.
        string field = root.ContainsKey("dtype") ? "dtype" : "torch_dtype";
        root[field] = elementType;
        return JsonSerializer.SerializeToUtf8Bytes(root, HubJson.Indented);
    }
}
