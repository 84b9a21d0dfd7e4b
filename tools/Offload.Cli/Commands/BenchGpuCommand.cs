using System.CommandLine;
using System.Globalization;
using System.Text;
using Offload.Cli.Benchmarks;
using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Storage.Files;

namespace Offload.Cli.Commands;

/// <summary><c>offload bench gpu</c>: training speed of known shapes under known budgets, each beside its floor.</summary>
internal static class BenchGpuCommand
{
    private static readonly Option<string?> Device = new("--device")
    {
        Description = "Which GPU [cuda:0]",
        HelpName = "cuda:N",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (!DeviceChoice.TryParse(text, out _))
            {
                result.AddError($"--device: expected cpu, cuda or cuda:N, found '{text}'");
            }

            return text;
        },
    };

    private static readonly Option<string?> Hardware = CommonOptions.Text("--hardware", "FILE|NAME", "Hardware profile that plans and floors go by [measured first]");
    private static readonly Option<string?> Rows = CommonOptions.Text("--rows", "NAME,...", $"Rows to measure [all]: {string.Join(", ", GpuBenchRow.All.Select(row => row.Name))}");
    private static readonly Option<long?> Steps = CommonOptions.Count("--steps", "N", "Steps that are measured of each row [as profile step]");
    private static readonly Option<string?> Output = CommonOptions.Text("--output", "FILE.json", "Also write the result as JSON, anew after each row");

    internal static Command Create()
    {
        var command = new Command(
            "gpu",
            "Measure training steps of known model shapes under budgets of GPU and CPU memory, with random weights and tokens, each row in a process of its own; rows with states on drives need --nvme. The table tells speed, prediction, floor and memory");
        foreach (Option option in (Option[])[Device, Hardware, CommonOptions.Nvme, Rows, Steps, Output])
        {
            command.Add(option);
        }

        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string? output = context.Get(Output);
        NewFile.Require(Output.Name, output);
        string[] folders = context.Get(CommonOptions.Nvme) ?? [];
        IReadOnlyList<GpuBenchRow> rows = GpuBenchRow.Select(context.Get(Rows), folders.Length > 0);
        if (context.Get(Rows) is null && folders.Length == 0)
        {
            context.Error.WriteLine($"without --nvme these rows are left out: {string.Join(", ", GpuBenchRow.All.Where(row => row.NeedsDrives).Select(row => row.Name))}");
        }

        DirectoryInfo temporary = Directory.CreateTempSubdirectory("offload-bench-gpu-");
        try
        {
            return Run(context, rows, folders, output, temporary.FullName);
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }

    private static ExitCode Run(CommandContext context, IReadOnlyList<GpuBenchRow> rows, string[] folders, string? output, string temporary)
    {
        string device = context.Get(Device) ?? "cuda:0";
        IReadOnlyList<string> common =
        [
            .. context.Get(CommonOptions.Libtorch) is { } libtorch ? ["--libtorch", libtorch] : (string[])[],
            .. context.Verbose ? ["--verbose"] : (string[])[],
        ];
        string? given = context.Get(Hardware);
        string file = given ?? Path.Combine(temporary, "hardware.json");
        if (given is null)
        {
            context.Error.WriteLine("measuring this machine; --hardware takes a profile instead");
            GpuBench.MeasureHardware(file, device, rows.Any(row => row.NeedsDrives) ? folders : [], common, context.Error, context.Cancellation);
        }

        HardwareProfile hardware = HardwareProfiles.Load(file);
        if (hardware.Ssd is null && rows.FirstOrDefault(row => row.NeedsDrives) is { } needing)
        {
            throw new UsageException($"--hardware: the hardware '{hardware.Name}' has no drives, and {needing.Name} needs them", "'offload profile hardware --nvme DIR' measures them");
        }

        var bench = new GpuBench(new GpuBenchSettings(device, file, folders, context.Get(Steps), common), hardware, context.Error);
        var results = new List<GpuBenchResult>();
        var report = new GpuBenchReport(device, hardware, results);
        foreach (GpuBenchRow row in rows)
        {
            context.Error.WriteLine($"{row.Name} ({(results.Count + 1).ToString(CultureInfo.InvariantCulture)} of {rows.Count.ToString(CultureInfo.InvariantCulture)})");
            results.Add(bench.Measure(row, context.Cancellation));
            if (output is not null)
            {
                AtomicFile.Write(output, Encoding.UTF8.GetBytes(JsonLine.Format(report) + "\n"));
            }
        }

        if (context.Json)
        {
            context.WriteJson(report);
        }
        else
        {
            GpuBenchText.Write(context.Output, report);
            if (output is not null)
            {
                context.Output.WriteLine($"Written to {output}.");
            }
        }

        return results.All(result => result.Error is null) ? ExitCode.Done : ExitCode.Failed;
    }
}
