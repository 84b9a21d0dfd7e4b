using System.Text.Json;
using Offload.Storage;

namespace Offload.Engine.Models;

/// <summary>
/// Typed access to the fields of a config, or of an object in it. Every error names file, field, what was found and what was
/// expected. JSON null counts as absent, as in transformers.
/// </summary>
internal sealed class HubConfigFields(JsonElement values, string where, string prefix = "")
{
    private const string Hint = "fetch the model's config.json again, or mend the field";

    // Keeps 4 * size and row counts within 31 bits; no real model comes near.
    private const int MaxSize = 1 << 28;

    // Each layer is laid out on its own; the deepest models have a few hundred.
    private const int MaxLayers = 10_000;
    private const int MaxShownLength = 60;

    /// <summary>The names of the fields that are present, null ones included.</summary>
    public IEnumerable<string> Names => Decoded("", () => values.EnumerateObject().Select(property => property.Name).ToArray());

    /// <summary>The value and kind, short enough for a line: <c>"yarn"</c>, <c>12.5</c>, <c>an array</c>.</summary>
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.Undefined => "nothing",
        _ => value.GetRawText() is { Length: > MaxShownLength } text ? text[..MaxShownLength] + "..." : value.GetRawText(),
    };

    public bool Has(string name) => Find(name) is not null;

    public string String(string name) => OptionalString(name) ?? throw Missing(name, "a string");

    public string? OptionalString(string name) =>
        Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? Decoded(name, value.GetString)
        : throw Wrong(name, value, "a string");

    /// <summary>A positive whole number that must be there.</summary>
    public int Size(string name) => OptionalSize(name) ?? throw Missing(name, "a positive whole number");

    public int Size(string name, int absent) => OptionalSize(name) ?? absent;

    public int? OptionalSize(string name) => OptionalSize(name, MaxSize);

    /// <summary>The number of layers, which must be there.</summary>
    public int LayerCount(string name) => OptionalSize(name, MaxLayers) ?? throw Missing(name, "a positive whole number");

    /// <summary>A whole number of at least zero.</summary>
    public int Count(string name, int absent) =>
        Find(name) is not { } value ? absent
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count >= 0 ? count
        : throw Wrong(name, value, "a whole number of at least 0");

    public bool Flag(string name, bool absent) => Find(name) is not { } value ? absent : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, value, "true or false"),
    };

    /// <summary>A finite number above zero.</summary>
    public double Positive(string name, double absent) => OptionalPositive(name) ?? absent;

    public double Positive(string name) => OptionalPositive(name) ?? throw Missing(name, "a positive number");

    /// <summary>A number from 0 up to, not including, 1.</summary>
    public double Probability(string name, double absent) =>
        Find(name) is not { } value ? absent
        : Number(value) is { } number and >= 0 and < 1 ? number
        : throw Wrong(name, value, "a number of at least 0 and below 1");

    public HubConfigFields? Object(string name) =>
        Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new HubConfigFields(value, where, $"{prefix}{name}.")
        : throw Wrong(name, value, "an object");

    /// <summary>The elements of an array of strings; null if absent.</summary>
    public IReadOnlyList<string>? Strings(string name) =>
        Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) ? Decoded<string[]>(name, () => [.. value.EnumerateArray().Select(item => item.GetString()!)])
        : throw Wrong(name, value, "an array of strings");

    /// <summary>Token ids: a whole number or an array of them; absent where neither key nor default is there.</summary>
    public IReadOnlyList<int> TokenIds(string name, int? absent)
    {
        // Null says "none", unlike an absent key, which stands for the family's default.
        if (Property(name) is not { } value)
        {
            return absent is { } id ? [id] : [];
        }

        return value.ValueKind switch
        {
            JsonValueKind.Null => [],
            JsonValueKind.Array => [.. value.EnumerateArray().Select(item => TokenId(name, item))],
            _ => [TokenId(name, value)],
        };
    }

    /// <summary>Refuses a flag that changes the model's function.</summary>
    public void Require(string name, bool supported)
    {
        if (Flag(name, supported) != supported)
        {
            throw Unsupported(name, supported ? "supported: true" : "supported: false");
        }
    }

    /// <summary>The field is understood and its value is none that we support.</summary>
    public UnreadableInputException Unsupported(string name, string supported) =>
        new($"{where}: {prefix}{name}", $"found {Describe(Find(name) ?? default)}; {supported}", "choose a model of a supported kind");

    /// <summary>The field contradicts another or is out of range.</summary>
    public UnreadableInputException Inconsistent(string name, string problem) => new($"{where}: {prefix}{name}", problem, Hint);

    private static double? Number(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) ? number : null;

    private int? OptionalSize(string name, int max) =>
        Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int size) && size > 0 && size <= max ? size
        : throw Wrong(name, value, $"a positive whole number, at most {max}");

    private double? OptionalPositive(string name) =>
        Find(name) is not { } value ? null
        : Number(value) is { } number and > 0 ? number
        : throw Wrong(name, value, "a positive number");

    private int TokenId(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) ? id : throw Wrong(name, value, "a token id or an array of them");

    private JsonElement? Find(string name) =>
        Property(name) is { ValueKind: not JsonValueKind.Null } value ? value : null;

    private JsonElement? Property(string name) => Decoded<JsonElement?>(name, () => values.TryGetProperty(name, out JsonElement value) ? value : null);

    /// <summary>Half a surrogate pair is valid JSON, but no text: .NET says so only when the string is taken out.</summary>
    private T Decoded<T>(string name, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException error)
        {
            throw new UnreadableInputException($"{where}: {prefix}{name}", "a string has half a surrogate pair", Hint, error);
        }
    }

    private UnreadableInputException Missing(string name, string expected) =>
        new($"{where}: {prefix}{name}", $"missing; expected {expected}", Hint);

    private UnreadableInputException Wrong(string name, JsonElement value, string expected) =>
        new($"{where}: {prefix}{name}", $"expected {expected}, found {Describe(value)}", Hint);
}
