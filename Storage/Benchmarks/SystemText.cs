namespace Offload.Storage.Benchmarks;

/// <summary>Reads what the kernel tells in small text files.</summary>
internal static class SystemText
{
    /// <summary>The text without white space around it; null if there is none, or it may not be read.</summary>
    public static string? Read(string path)
    {
        try
        {
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } text ? text : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
