using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Offload.DemoAssets.Model;

/// <summary>Writes JSON files as the Hub's tools do: indented, readable characters, a line feed at the end.</summary>
internal static class HubJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
        NewLine = "\n",
    };

    /// <summary>Writes a file; makes its folder if it is missing.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, JsonObject content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllText(path, content.ToJsonString(Options) + "\n");
    }
}
