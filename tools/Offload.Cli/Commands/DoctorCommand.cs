using System.CommandLine;
using Offload.Cli.Doctor;
using Offload.Profiles;

namespace Offload.Cli.Commands;

/// <summary><c>offload doctor</c>: what this machine has, what is missing and how to mend it.</summary>
internal static class DoctorCommand
{
    internal static Command Create()
    {
        var command = new Command("doctor", "Tell what this machine has for a run, what is missing, and how to mend it; exit code 0 if training on the CPU works");
        command.Add(CommonOptions.Nvme);
        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string[] folders = context.Get(CommonOptions.Nvme) is { Length: > 0 } given ? given : ["."];
        var checks = new List<Check>();
        // libtorch comes last: should a broken one take the process down, all the rest is told already.
        IEnumerable<Check> all = [.. SystemChecks.Run(), .. StorageChecks.Run(folders), .. CudaChecks.Run(), Check.Try("MPI", MpiChecks.Run)];
        foreach (Check check in all.Concat(LibtorchChecks.Run(context)))
        {
            context.Cancellation.ThrowIfCancellationRequested();
            checks.Add(check);
            if (!context.Json)
            {
                WriteRow(context.Output, check);
            }
        }

        bool isOk = !checks.Any(check => check.IsEssential && check.Status == CheckStatus.Missing);
        if (context.Json)
        {
            context.WriteJson(new Report(checks, isOk));
        }
        else
        {
            context.Output.WriteLine();
            context.Output.WriteLine(isOk ? "Training on the CPU works here." : "Training does not work here yet.");
        }

        return isOk ? ExitCode.Done : ExitCode.Failed;
    }

    private static void WriteRow(TextWriter output, Check check)
    {
        string status = check.Status.ToString().ToLowerInvariant();
        output.WriteLine($"{status,-8} {check.Name,-20} {check.Found}");
        if (check.Hint is not null)
        {
            output.WriteLine($"{"",-8} {"",-20} -> {check.Hint}");
        }
    }

    private sealed record Report(IReadOnlyList<Check> Checks, bool Ok);
}
