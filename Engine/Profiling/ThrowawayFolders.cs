using Offload.Storage;

namespace Offload.Engine.Profiling;

/// <summary>Folders of a training that is only measured: made with it, removed with it, so that no run of a user is touched. One thread.</summary>
internal sealed class ThrowawayFolders : IDisposable
{
    private readonly List<string> _madeFolders = []; // Deepest last.
    private readonly List<string> _ownFolders = [];

    /// <param name="nvmeFolders">As the user named them; one is made in each.</param>
    /// <exception cref="StorageException">The system refused; nothing is left behind.</exception>
    public ThrowawayFolders(IReadOnlyList<string> nvmeFolders)
    {
        string name = $"offload-profile-{Guid.NewGuid():n}";
        try
        {
            Run = Make(Path.Join(Path.GetTempPath(), name));
            Nvme = [.. nvmeFolders.Select(folder => Make(Path.Join(Path.GetFullPath(folder), name)))];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>For tokens, and all that is no state.</summary>
    public string Run { get; } = "";

    /// <summary>On the drives, in the order in which they were named.</summary>
    public IReadOnlyList<string> Nvme { get; } = [];

    /// <summary>
    /// Removes the files on the drives, which are open: their room stays taken until they are closed, which the system does however the process ends.
    /// </summary>
    /// <exception cref="StorageException">The system refused.</exception>
    public void ForgetFiles()
    {
        foreach (string path in Nvme.SelectMany(Directory.GetFiles))
        {
            Try(path, "remove", () => File.Delete(path));
        }
    }

    /// <summary>Removes folders and what is in them.</summary>
    /// <exception cref="StorageException">The system refused.</exception>
    public void Dispose()
    {
        foreach (string folder in _ownFolders.Where(Directory.Exists))
        {
            Try(folder, "remove", () => Directory.Delete(folder, recursive: true));
        }

        foreach (string folder in Enumerable.Reverse(_madeFolders).Where(folder => Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any()))
        {
            Try(folder, "remove", () => Directory.Delete(folder));
        }
    }

    private static void Try(string path, string operation, Action work)
    {
        try
        {
            work();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(path, operation, error.Message, cause: error);
        }
    }

    private string Make(string folder)
    {
        var missing = new Stack<string>();
        for (string? above = Path.GetDirectoryName(folder); above is not null && !Directory.Exists(above); above = Path.GetDirectoryName(above))
        {
            missing.Push(above);
        }

        _madeFolders.AddRange(missing);
        _ownFolders.Add(folder);
        Try(folder, "make the folder", () => Directory.CreateDirectory(folder));
        return folder;
    }
}
