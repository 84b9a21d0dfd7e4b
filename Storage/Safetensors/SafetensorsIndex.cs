using Microsoft.Win32.SafeHandles;
using Offload.Storage.Files;

namespace Offload.Storage.Safetensors;

/// <summary>The <c>weight_map</c> of <c>model.safetensors.index.json</c>: which shard holds which tensor.</summary>
internal static class SafetensorsIndex
{
    // As for a header: a model of a million tensors needs about 100 MB.
    private const long MaxSizeBytes = SafetensorsHeader.MaxJsonSizeBytes;
    private const int MaxDepth = 16;

    /// <summary>Reads an index.</summary>
    /// <returns>Shard by tensor name; every shard is a plain file name.</returns>
    /// <exception cref="UnreadableInputException">The file is missing or malformed, or a shard lies elsewhere.</exception>
    internal static OrderedDictionary<string, string> Read(string path)
    {
        var reader = new StrictJson(path, ReadAll(path), MaxDepth);
        OrderedDictionary<string, string>? weightMap = null;
        var keys = new HashSet<string>();
        reader.BeginObject("index");
        while (reader.NextKey() is { } key)
        {
            if (!keys.Add(key))
            {
                throw new UnreadableInputException(path, $"the key {DisplayText.Quote(key)} occurs twice");
            }

            if (key == "weight_map")
            {
                weightMap = ReadWeightMap(path, ref reader);
            }
            else
            {
                reader.SkipValue();
            }
        }

        reader.End();
        return weightMap ?? throw new UnreadableInputException(path, "expected the key weight_map, found none");
    }

    private static OrderedDictionary<string, string> ReadWeightMap(string path, ref StrictJson reader)
    {
        var weightMap = new OrderedDictionary<string, string>();
        reader.BeginObject("weight_map");
        while (reader.NextKey() is { } name)
        {
            string what = $"weight_map, tensor {DisplayText.Quote(name)}";
            string shard = reader.ReadString(what);
            if (!IsPlainFileName(shard))
            {
                throw new UnreadableInputException(
                    path, $"{what}: expected the name of a .safetensors file in the same folder, found {DisplayText.Quote(shard)}");
            }

            if (!weightMap.TryAdd(name, shard))
            {
                throw new UnreadableInputException(path, $"{what}: occurs twice");
            }
        }

        return weightMap;
    }

    // No separators means no way out of the folder. Links are followed: the Hub's own cache consists of them.
    private static bool IsPlainFileName(string name) =>
        name.EndsWith(".safetensors", StringComparison.Ordinal) && name.AsSpan().IndexOfAny('/', '\\', '\0') < 0;

    private static byte[] ReadAll(string path)
    {
        using SafeFileHandle handle = InputFile.Open(path);
        long sizeBytes = InputFile.Length(path, handle);
        if (sizeBytes > MaxSizeBytes)
        {
            throw new UnreadableInputException(path, $"expected an index of at most {MaxSizeBytes} bytes, found {sizeBytes}");
        }

        byte[] json = new byte[sizeBytes];
        InputFile.ReadExactly(path, handle, 0, json);
        return json;
    }
}
