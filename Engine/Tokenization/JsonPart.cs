using System.Text.Json;
using System.Text.Unicode;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Engine.Tokenization;

/// <summary>One value in a JSON file together with where it stands, so that every complaint names the file and the path.</summary>
internal readonly struct JsonPart
{
    /// <summary>The largest tokenizer.json files have some 35 MB.</summary>
    public const int MaxFileBytes = 256 << 20;

    private readonly JsonElement _element;

    private JsonPart(string file, string path, JsonElement element)
    {
        File = file;
        Path = path;
        _element = element;
    }

    public string File { get; }

    public string Path { get; }

    public JsonValueKind Kind => _element.ValueKind;

    /// <summary>Reads a whole file. The document lives as long as its parts are referenced.</summary>
    /// <exception cref="UnreadableInputException">The file cannot be read, or is not one JSON object.</exception>
    public static JsonPart Load(string file)
    {
        byte[] bytes = InputFile.ReadAll(file, MaxFileBytes);
        if (!Utf8.IsValid(bytes))
        {
            throw new UnreadableInputException(file, "is not UTF-8 text, so not JSON", "Download the file again.");
        }

        try
        {
            JsonElement root = JsonDocument.Parse(bytes).RootElement;
            return root.ValueKind == JsonValueKind.Object
                ? new JsonPart(file, "", root)
                : throw new UnreadableInputException(file, $"expected a JSON object, found {Describe(root.ValueKind)}");
        }
        catch (JsonException error)
        {
            throw new UnreadableInputException(
                file,
                $"is not valid JSON (line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}); {bytes.Length} bytes",
                "The file may be truncated: download it again.",
                error);
        }
    }

    /// <summary>File and path, as messages name them.</summary>
    public string Where => Path.Length == 0 ? File : $"{File}: {Path}";

    public UnreadableInputException Error(string problem, string? hint = null) => new(Where, problem, hint);

    /// <summary>The named member; null where it is missing or JSON null.</summary>
    public JsonPart? Optional(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        try
        {
            return _element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? At(name, value) : null;
        }
        catch (InvalidOperationException)
        {
            throw Error("has a name with half a surrogate pair");
        }
    }

    public JsonPart Required(string name) =>
        Optional(name) ?? throw Error($"the field '{name}' is missing");

    public string Text()
    {
        Expect(JsonValueKind.String, "a string");
        return Unescape();
    }

    public int Integer() =>
        Kind == JsonValueKind.Number && _element.TryGetInt32(out int value) ? value : throw Error($"expected an integer, found {Found}");

    public bool Flag() => Kind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error($"expected true or false, found {Found}"),
    };

    public string Text(string name) => Required(name).Text();

    public bool Flag(string name, bool whenMissing) => Optional(name)?.Flag() ?? whenMissing;

    public IEnumerable<JsonPart> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        int index = 0;
        foreach (JsonElement item in _element.EnumerateArray())
        {
            yield return new JsonPart(File, $"{Path}[{index++}]", item);
        }
    }

    public IEnumerable<KeyValuePair<string, JsonPart>> Members()
    {
        Expect(JsonValueKind.Object, "an object");
        foreach (JsonProperty member in _element.EnumerateObject())
        {
            string name;
            try
            {
                name = member.Name;
            }
            catch (InvalidOperationException)
            {
                throw Error("has a name with half a surrogate pair");
            }

            yield return new(name, At(name, member.Value));
        }
    }

    public string Found => Kind is JsonValueKind.Object or JsonValueKind.Array ? Describe(Kind) : Shorten(_element.GetRawText());

    private static string Shorten(string text) => text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 57), "...");

    private static string Describe(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => kind.ToString(),
    };

    private JsonPart At(string name, JsonElement value) => new(File, Path.Length == 0 ? name : $"{Path}.{name}", value);

    private string Unescape()
    {
        try
        {
            return _element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error("is a string with half a surrogate pair");
        }
    }

    private void Expect(JsonValueKind kind, string name)
    {
        if (Kind != kind)
        {
            throw Error($"expected {name}, found {Found}");
        }
    }
}
