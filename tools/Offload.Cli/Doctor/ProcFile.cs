namespace Offload.Cli.Doctor;

/// <summary>Reads "name : value" lines of files under /proc.</summary>
internal static class ProcFile
{
    /// <summary>The first value of that name; null if there is none, or no such file.</summary>
    internal static string? Value(string path, string name)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        foreach (string line in File.ReadLines(path))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line.AsSpan(0, colon).Trim().SequenceEqual(name))
            {
                return line[(colon + 1)..].Trim();
            }
        }

        return null;
    }
}
