namespace Offload.Tests.Infrastructure;

/// <summary>The reference cases: tests/Golden, or the folder that OFFLOAD_GOLDEN_DIR names.</summary>
public static class GoldenFolder
{
    public const string VariableName = "OFFLOAD_GOLDEN_DIR";

    public static string Path { get; } =
        Environment.GetEnvironmentVariable(VariableName) is { Length: > 0 } named ? named : Repository;

    /// <summary>tests/Golden of this repository, whatever the variable says.</summary>
    public static string Repository => System.IO.Path.Combine(FindRepository(), "tests", "Golden");

    /// <summary>Names of the case folders that match, in ordinal order.</summary>
    public static IReadOnlyList<string> Cases(string searchPattern) =>
        [.. Directory.GetDirectories(Path, searchPattern).Select(folder => System.IO.Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    public static string Case(string name) => System.IO.Path.Combine(Path, name);

    private static string FindRepository()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = System.IO.Path.GetDirectoryName(folder))
        {
            if (File.Exists(System.IO.Path.Combine(folder, "Offload.sln")))
            {
                return folder;
            }
        }

        throw new DirectoryNotFoundException($"no folder above {AppContext.BaseDirectory} has Offload.sln");
    }
}
