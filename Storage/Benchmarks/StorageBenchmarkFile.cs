namespace Offload.Storage.Benchmarks;

/// <summary>A temporary file that a benchmark will make.</summary>
/// <param name="Path">Full path.</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="IsFolderMissing">Whether its folder will be made, and removed again.</param>
/// <param name="IsLeftover">Whether a killed benchmark left such a file, which will be replaced.</param>
/// <param name="FreeBytes">Free on its file system before, a leftover file counted as free.</param>
public sealed record StorageBenchmarkFile(string Path, long SizeBytes, bool IsFolderMissing, bool IsLeftover, long FreeBytes);
