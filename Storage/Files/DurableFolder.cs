namespace Offload.Storage.Files;

/// <summary>Makes folders that are still there after a power cut. Stateless; any thread.</summary>
public static class DurableFolder
{
    /// <summary>Makes a folder and its missing parents, and flushes each folder that got a new entry. Nothing happens if it exists.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="StorageException">The system refused.</exception>
    public static void Create(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Directory.Exists(full))
        {
            return;
        }

        string? parent = Path.GetDirectoryName(full);
        if (parent is not null)
        {
            Create(parent);
        }

        try
        {
            Directory.CreateDirectory(full);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(full, "make the folder", error);
        }

        if (parent is not null)
        {
            AtomicFile.SyncFolder(parent);
        }
    }
}
