using System.CommandLine;
using Offload.Engine.Verification;
using Offload.Profiles;

namespace Offload.Cli.Commands;

/// <summary><c>offload verify DIR</c>: the engine against reference cases.</summary>
internal static class VerifyCommand
{
    private static readonly Argument<string> Folder = new("dir") { Description = "Folder of reference cases, one subfolder each (docs/verify.md)", HelpName = "DIR" };

    internal static Command Create()
    {
        var command = new Command("verify", "Check logits, gradients, losses, weights and tokenizers against reference cases; exit code 0 if all supported ones hold");
        command.Add(Folder);
        command.Add(CommonOptions.Device);
        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        TrainingArguments.RequireCpu(context);
        context.LoadTorch();
        IReadOnlyList<CaseResult> cases = Verifier.Run(context.Get(Folder)!, result => Report(context, result), context.Cancellation);
        int passed = cases.Count(result => result.Status == CaseStatus.Passed);
        int failed = cases.Count(result => result.Status == CaseStatus.Failed);
        int unsupported = cases.Count(result => result.Status == CaseStatus.Unsupported);
        if (context.Json)
        {
            context.WriteJson(new Result(passed, failed, unsupported, cases));
        }
        else
        {
            context.Output.WriteLine($"{passed} passed, {failed} failed, {unsupported} unsupported");
        }

        // Nothing checked is nothing verified.
        return failed == 0 && passed > 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static void Report(CommandContext context, CaseResult result)
    {
        if (context.Json)
        {
            return;
        }

        string status = result.Status switch { CaseStatus.Passed => "ok", CaseStatus.Failed => "FAILED", _ => "unsupported" };
        string errors = string.Join("  ", result.Errors.Select(error => result.Kind == "tokenizer" ? $"{error.Key} {error.Value}" : $"{error.Key} {error.Value:0.0e+00}"));
        context.Output.WriteLine($"{status,-12} {result.Name,-20} {errors}");
        if (result.Detail is not null && (result.Status != CaseStatus.Passed || context.Verbose))
        {
            context.Output.WriteLine($"{"",-12} {result.Detail}");
        }
    }

    private sealed record Result(int Passed, int Failed, int Unsupported, IReadOnlyList<CaseResult> Cases);
}
