using System.Text.Encodings.Web;
using System.Text.Json;

namespace Offload.Engine.Hub;

/// <summary>How JSON files of a model folder are written.</summary>
internal static class HubJson
{
    /// <summary>Indented; only what JSON itself wants is escaped.</summary>
    public static JsonSerializerOptions Indented { get; } = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
