using System.Globalization;
using Offload.Profiles;

namespace Offload.Cli.Benchmarks;

/// <summary>One training set-up of the suite.</summary>
/// <param name="Name">For <c>--rows</c>: shape, tokens a step, states, GiB of GPU memory.</param>
/// <param name="Shape">The model.</param>
/// <param name="TokensPerStep">Tokens of a step.</param>
/// <param name="States">Value of <c>--states</c>: cpu, nvme; null: the planner's choice.</param>
/// <param name="GpuBytes">Ceiling on GPU memory.</param>
/// <param name="CpuBytes">Ceiling on CPU memory; null: what is free.</param>
internal sealed record GpuBenchRow(string Name, GpuBenchShape Shape, long TokensPerStep, string? States, long GpuBytes, long? CpuBytes = null)
{
    private const long GiB = 1L << 30;

    /// <summary>The suite, in the order of its table.</summary>
    internal static IReadOnlyList<GpuBenchRow> All { get; } =
    [
        new("1b-64k-cpu-12", GpuBenchShape.OneB, 65536, "cpu", 12 * GiB),
        new("1b-64k-cpu-24", GpuBenchShape.OneB, 65536, "cpu", 24 * GiB),
        new("1b-16k-cpu-24", GpuBenchShape.OneB, 16384, "cpu", 24 * GiB),
        new("1b-64k-free-12", GpuBenchShape.OneB, 65536, null, 12 * GiB),
        new("1b-64k-free-24", GpuBenchShape.OneB, 65536, null, 24 * GiB),
        new("1b-16k-free-24", GpuBenchShape.OneB, 16384, null, 24 * GiB),
        new("7b-64k-cpu-24", GpuBenchShape.SevenB, 65536, "cpu", 24 * GiB, 112 * GiB),
        new("3b-20-64k-nvme-12", GpuBenchShape.ThreeBOf20Layers, 65536, "nvme", 12 * GiB, 16 * GiB),
        new("1b-16k-nvme-12", GpuBenchShape.OneB, 16384, "nvme", 12 * GiB, 6 * GiB),
    ];

    /// <summary>Tokens of a sequence.</summary>
    internal int SequenceTokens { get; init; } = 1024;

    /// <summary>Its states are on drives.</summary>
    internal bool NeedsDrives => States == "nvme";

    /// <summary>Rows by their names, in the suite's order.</summary>
    /// <param name="names">What the user wrote, commas between them; null: all, without those that need drives if there are none.</param>
    /// <param name="hasDrives">Whether <c>--nvme</c> was given.</param>
    /// <exception cref="UsageException">No such row, or drives are missing.</exception>
    internal static IReadOnlyList<GpuBenchRow> Select(string? names, bool hasDrives)
    {
        if (names is null)
        {
            return [.. All.Where(row => hasDrives || !row.NeedsDrives)];
        }

        string[] wanted = names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string known = string.Join(", ", All.Select(row => row.Name));
        if (wanted.Length == 0 || wanted.FirstOrDefault(name => All.All(row => row.Name != name)) is not null)
        {
            throw new UsageException($"--rows: no row named '{wanted.FirstOrDefault(name => All.All(row => row.Name != name)) ?? ""}'", $"the rows are {known}");
        }

        GpuBenchRow[] rows = [.. All.Where(row => wanted.Contains(row.Name))];
        return hasDrives || rows.FirstOrDefault(row => row.NeedsDrives) is not { } needing
            ? rows
            : throw new UsageException($"--rows {needing.Name}: expected --nvme with it", "name a folder on each drive with --nvme");
    }

    /// <summary>Words of <c>profile step</c> that measure it.</summary>
    /// <param name="modelFolder">Of its shape.</param>
    /// <param name="settings">What all rows have in common.</param>
    internal IEnumerable<string> Arguments(string modelFolder, GpuBenchSettings settings)
    {
        List<string> words =
        [
            "profile", "step", "--json", "--model", modelFolder, "--from-scratch", "--device", settings.Device, "--dtype", "bfloat16",
            "--seq-len", Text(SequenceTokens), "--tokens-per-step", Text(TokensPerStep), "--gpu-memory", $"{Text(GpuBytes)}B", "--hardware", settings.HardwareFile,
        ];
        if (States is not null)
        {
            words.AddRange(["--states", States]);
        }

        if (CpuBytes is long cpuBytes)
        {
            words.AddRange(["--cpu-memory", $"{Text(cpuBytes)}B"]);
        }

        if (settings.Steps is long steps)
        {
            words.AddRange(["--steps", Text(steps)]);
        }

        // Others would put states there too, or commit to them.
        if (NeedsDrives)
        {
            words.AddRange(settings.NvmeFolders.SelectMany(folder => new[] { "--nvme", folder }));
        }

        return words.Concat(settings.Common);
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
