using System.Text.Json;
using System.Text.Json.Serialization;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Engine.Training;

/// <summary>How a run's JSON is written and read.</summary>
internal static class RunJson
{
    /// <summary>For files that people look at.</summary>
    public static JsonSerializerOptions Indented { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>One line.</summary>
    public static JsonSerializerOptions Compact { get; } = new(Indented) { WriteIndented = false };

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <exception cref="StorageException">Writing failed.</exception>
    public static void Write<T>(string path, T value) => AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(value, Indented));

    /// <summary>Reads a file; null if there is none.</summary>
    /// <exception cref="StoreMismatchException">It holds something else.</exception>
    /// <exception cref="StorageException">Reading failed.</exception>
    public static T? Read<T>(string path)
        where T : class
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return Parse<T>(path, File.ReadAllBytes(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(path, "read", error.Message, cause: error);
        }
    }

    /// <summary>Reads bytes that this program wrote.</summary>
    /// <param name="path">Where they are from, for messages.</param>
    /// <param name="json">The bytes.</param>
    /// <exception cref="StoreMismatchException">They are something else.</exception>
    public static T Parse<T>(string path, ReadOnlySpan<byte> json)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json, Indented) ?? throw new JsonException("expected an object, found null");
        }
        catch (JsonException error)
        {
            throw new StoreMismatchException(path, $"not what this program writes: {error.Message}", "use the version of offload that wrote it", error);
        }
    }
}
