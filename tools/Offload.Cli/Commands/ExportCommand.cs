using System.CommandLine;
using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Profiles;

namespace Offload.Cli.Commands;

/// <summary><c>offload export RUN</c>: writes a run's last commit as a Hub folder, streamed.</summary>
internal static class ExportCommand
{
    private static readonly Argument<string> RunArgument = new("run") { Description = "Folder of a run: the --output of offload train", HelpName = "RUN" };

    private static readonly Option<string?> Dtype = CommonOptions.OneOf("--dtype", "Type of the written weights [the run's own]", "float32", "bfloat16");

    internal static Command Create()
    {
        var command = new Command("export", "Write the model of a run's last commit as a folder that Hugging Face loads");
        command.Add(RunArgument);
        command.Add(CommonOptions.Output);
        command.Add(Dtype);
        command.Add(CommonOptions.Nvme);
        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string run = context.Get(RunArgument)!;
        string output = context.Get(CommonOptions.Output) ?? throw new UsageException("--output is missing: expected a folder for the model");
        ComputeType? type = context.Get(Dtype) is { } name ? Enum.Parse<ComputeType>(name, ignoreCase: true) : null;
        ExportResult result = RunExport.Write(run, output, type, context.Get(CommonOptions.Nvme)!, text => context.Error.WriteLine($"warning: {text}"), context.Cancellation);
        if (context.Json)
        {
            context.WriteJson(result);
        }
        else
        {
            context.Output.WriteLine($"step {result.Step} of {run} written to {result.Output} as {result.Dtype}; weights {result.WeightsHash}");
        }

        return ExitCode.Done;
    }
}
