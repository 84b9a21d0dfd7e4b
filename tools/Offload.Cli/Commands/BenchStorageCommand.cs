using System.CommandLine;
using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Storage.Benchmarks;
using Offload.Storage.Files;

namespace Offload.Cli.Commands;

/// <summary><c>offload bench storage</c>: rates of drives, and of a state store on them.</summary>
internal static class BenchStorageCommand
{
    private static readonly Option<long?> Size = CommonOptions.Size("--size", "Size of the temporary files, all drives together [4GiB]");

    private static readonly Option<string?> Output = CommonOptions.Text("--output", "FILE", "Also write the rates as a fragment of a hardware profile");

    internal static Command Create()
    {
        var command = new Command(
            "storage",
            "Measure what drives and a state store on them can do: sequential reads, writes and both at once. Writes a temporary file into each --nvme folder, says how much before, and removes it");
        command.Add(CommonOptions.Nvme);
        command.Add(Size);
        command.Add(Output);
        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string? output = context.Get(Output);
        NewFile.Require(Output.Name, output);
        var options = new StorageBenchmarkOptions { Folders = context.Get(CommonOptions.Nvme) ?? [], SizeBytes = context.Get(Size) ?? StorageBenchmarkOptions.DefaultSizeBytes };
        var plan = StorageBenchmarkPlan.Make(options);
        Announce(context.Error, plan);
        StorageBenchmarkResult result = StorageBenchmark.Run(
            plan, context.Error.WriteLine, warning => context.Error.WriteLine($"warning: {warning}"), context.Cancellation);
        if (output is not null)
        {
            AtomicFile.Write(output, HardwareProfileFile.FormatFragment(result.Ssd));
        }

        if (context.Json)
        {
            context.WriteJson(result);
        }
        else
        {
            StorageBenchmarkReport.Write(context.Output, result);
            if (output is not null)
            {
                context.Output.WriteLine($"Written to {output}.");
            }
        }

        return ExitCode.Done;
    }

    /// <summary>Says what will be written, before it is.</summary>
    internal static void Announce(TextWriter error, StorageBenchmarkPlan plan)
    {
        foreach (StorageBenchmarkFile file in plan.Files)
        {
            error.WriteLine(
                $"temporary file {file.Path}: {Sizes.Format(file.SizeBytes)} of {Sizes.Format(file.FreeBytes)} free"
                + $"{(file.IsFolderMissing ? ", in a new folder" : "")}{(file.IsLeftover ? ", in place of one that an interrupted measurement left" : "")}; removed at the end");
        }

        error.WriteLine($"writes at most {Sizes.Format(plan.MaxBytesWritten)} in all, over {plan.Options.Rounds} rounds");
    }
}
