namespace Offload.Storage.Files;

/// <summary>Removes files and folders. Stateless; any thread.</summary>
internal static class FileRemoval
{
    /// <summary>Removes a file; nothing happens if it is not there.</summary>
    /// <exception cref="StorageException">The system refused.</exception>
    internal static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Then the file is not there either.
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(path, "remove", error);
        }
    }

    /// <summary>Removes a file after another error, which is the one to be told: a second one changes nothing.</summary>
    internal static void RemoveQuietly(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
        }
    }

    /// <summary>Removes a folder after another error, unless something is in it.</summary>
    internal static void RemoveEmptyFolderQuietly(string path)
    {
        try
        {
            Directory.Delete(path);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
        }
    }
}
