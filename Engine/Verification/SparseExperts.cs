using System.Text.Json;
using Offload.Engine.Models;

namespace Offload.Engine.Verification;

/// <summary>Tells the one family of models that reference cases may hold and the engine does not run yet.</summary>
internal static class SparseExperts
{
    /// <summary>The model_type of a folder's config.json if it has sparse experts, else null.</summary>
    public static string? Names(string folder)
    {
        try
        {
            using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, HubConfig.FileName)));
            return config.RootElement.TryGetProperty("model_type", out JsonElement type) && type.GetString() is "mixtral" or "qwen3_moe" or "qwen2_moe"
                ? type.GetString()
                : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // A malformed config.json is the reader's to report.
            return null;
        }
    }
}
