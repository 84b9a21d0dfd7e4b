using Offload.Tests.Infrastructure;

namespace Offload.Cli.Tests.Architecture;

/// <summary>The repository's own text files; not what builds and users leave in it.</summary>
internal static class SourceTree
{
    private static readonly string[] Folders = [".ci", "Engine", "Profiles", "Storage", "Swap", "docs", "tests", "tools"];
    private static readonly string[] Built = ["bin", "obj", "TestResults", "BenchmarkDotNet.Artifacts"];
    private static readonly string[] Binary = [".safetensors", ".model"];

    internal static string Root { get; } = Path.GetFullPath(Path.Combine(GoldenFolder.Repository, "..", ".."));

    /// <summary>Paths from the root, with slashes: those of the folders, and the files of the root itself.</summary>
    internal static IReadOnlyList<string> TextFiles { get; } =
    [
        .. Directory.EnumerateFiles(Root).Where(path => Path.GetExtension(path) is ".md" or ".props" or ".targets" or ".json" or ".sln" or ".editorconfig")
            .Concat(Folders.SelectMany(folder => FilesBelow(Path.Combine(Root, folder))))
            .Where(path => !Binary.Contains(Path.GetExtension(path)))
            .Select(path => Path.GetRelativePath(Root, path)),
    ];

    /// <summary>The C# files of projects.</summary>
    internal static IReadOnlyList<string> SourceFiles { get; } =
        [.. TextFiles.Where(path => path.EndsWith(".cs", StringComparison.Ordinal) && ProjectFile(path) is not null)];

    /// <summary>The project that a file belongs to: that of the nearest folder above it; null if there is none.</summary>
    internal static string? ProjectFile(string path)
    {
        for (string? folder = Path.GetDirectoryName(path); !string.IsNullOrEmpty(folder); folder = Path.GetDirectoryName(folder))
        {
            if (Directory.GetFiles(Path.Combine(Root, folder), "*.csproj") is [string project, ..])
            {
                return Path.GetRelativePath(Root, project);
            }
        }

        return null;
    }

    private static IEnumerable<string> FilesBelow(string folder) => !Directory.Exists(folder)
        ? []
        : Directory.EnumerateFiles(folder)
            .Concat(Directory.EnumerateDirectories(folder).Where(child => !Built.Contains(Path.GetFileName(child))).SelectMany(FilesBelow));
}
