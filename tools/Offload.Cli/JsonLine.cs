using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Offload.Cli;

/// <summary>JSON as the program writes it: one compact object a line, camelCase names, enums as words.</summary>
internal static class JsonLine
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        // A loss may be NaN, which JSON has no number for.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        // The output is not HTML: quotes and plus signs in messages stay readable.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>The text of a value.</summary>
    internal static string Format<T>(T value) => JsonSerializer.Serialize(value, Options);

    /// <summary>A value as <see cref="Write"/> wrote it.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    internal static T Read<T>(string line) => JsonSerializer.Deserialize<T>(line, Options) ?? throw new JsonException("null");

    internal static void Write<T>(TextWriter output, T value)
    {
        output.WriteLine(Format(value));
        output.Flush();
    }
}
