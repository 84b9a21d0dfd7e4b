namespace Offload.Cli.Benchmarks;

/// <summary>What all rows of the suite have in common.</summary>
/// <param name="Device">Value of <c>--device</c>.</param>
/// <param name="HardwareFile">Hardware profile, by its file or name.</param>
/// <param name="NvmeFolders">For the rows that need drives; may be empty.</param>
/// <param name="Steps">Steps that are measured; null: as many as <c>profile step</c> measures.</param>
/// <param name="Common">Words that every process is given: where libtorch is, whether details are wanted.</param>
internal sealed record GpuBenchSettings(string Device, string HardwareFile, IReadOnlyList<string> NvmeFolders, long? Steps, IReadOnlyList<string> Common);
