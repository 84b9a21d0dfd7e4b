namespace Offload.Storage.Tests;

/// <summary>A fresh folder, removed with everything in it at the end of a test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("offload-test-");

    internal string Path => _folder.FullName;

    internal string this[string name] => System.IO.Path.Join(Path, name);

    /// <summary>Names of all entries, hidden ones too, sorted.</summary>
    internal string[] Names => [.. _folder.EnumerateFileSystemInfos().Select(entry => entry.Name).Order(StringComparer.Ordinal)];

    public void Dispose() => _folder.Delete(recursive: true);
}
