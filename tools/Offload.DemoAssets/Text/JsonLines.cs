using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Offload.DemoAssets.Text;

/// <summary>Reads and writes JSONL whose lines are objects with the field <c>text</c>.</summary>
internal static class JsonLines
{
    // The files are read by programs and people, never by a browser: quotation marks and apostrophes may stay readable.
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the texts, one a line, UTF-8, line feeds; makes the folder if it is missing. Returns the size in bytes.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static long Write(string path, IEnumerable<string> texts)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
        {
            Directory.CreateDirectory(folder);
        }

        using (var writer = new StreamWriter(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { NewLine = "\n" })
        {
            foreach (string text in texts)
            {
                writer.WriteLine(ToLine(text));
            }
        }

        return new FileInfo(path).Length;
    }

    /// <summary>One line, without its line feed.</summary>
    public static string ToLine(string text) => JsonSerializer.Serialize(new { text }, Options);

    /// <summary>Reads the texts one by one.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">A line is not an object with the field <c>text</c>.</exception>
    public static IEnumerable<string> Read(string path)
    {
        int lineNumber = 0;
        foreach (string line in File.ReadLines(path))
        {
            lineNumber++;
            yield return ParseLine(line, path, lineNumber);
        }
    }

    private static string ParseLine(string line, string path, int lineNumber)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String)
            {
                return text.GetString()!;
            }
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path}, line {lineNumber}: expected JSON, found something else.", exception);
        }

        throw new InvalidDataException($"{path}, line {lineNumber}: expected an object with the string field \"text\".");
    }
}
