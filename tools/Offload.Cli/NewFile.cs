using Offload.Profiles;

namespace Offload.Cli;

/// <summary>Files that a command makes at its end: known to be possible before minutes of work, not after them.</summary>
internal static class NewFile
{
    /// <summary>Refuses a file that exists, and one whose folder does not.</summary>
    /// <param name="option">For the message: <c>--output</c>.</param>
    /// <param name="path">What the user wrote; null: nothing.</param>
    /// <exception cref="UsageException">It cannot be made.</exception>
    public static void Require(string option, string? path)
    {
        if (path is null)
        {
            return;
        }

        if (Path.Exists(path))
        {
            throw new UsageException($"{option}: {path} exists", "name a new file, or remove this one");
        }

        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
        {
            throw new UsageException($"{option}: the folder {folder} does not exist", "make it first, or name another one");
        }
    }
}
