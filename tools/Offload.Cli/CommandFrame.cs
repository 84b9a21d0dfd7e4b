using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using System.Runtime.InteropServices;
using Offload.Profiles;

namespace Offload.Cli;

/// <summary>
/// Runs a command line: the one place where errors become a message and an exit code, and signals become a cancellation.
/// </summary>
internal static class CommandFrame
{
    /// <summary>Set to anything but 0, it stands for <c>--verbose</c>.</summary>
    internal const string VerboseVariable = "OFFLOAD_VERBOSE";

    // A word that starts with @ is text like any other, a prompt for instance, not the name of a file with more words.
    private static readonly ParserConfiguration Configuration = new() { ResponseFileTokenReplacer = null };

    /// <summary>Sets what a command does; its result is the exit code.</summary>
    internal static void SetWork(this Command command, Func<CommandContext, ExitCode> work) => command.SetAction(parsed =>
    {
        var console = (Console)parsed.InvocationConfiguration;
        return (int)work(new CommandContext(parsed, console.Output, console.Error, console.Cancellation));
    });

    /// <summary>Parses and runs; never throws for what a command throws.</summary>
    /// <param name="root">From <see cref="CommandTree"/>.</param>
    /// <param name="args">The words after the program's name.</param>
    /// <param name="output">Results and help.</param>
    /// <param name="error">Messages.</param>
    /// <returns>The process's exit code.</returns>
    internal static int Run(RootCommand root, IReadOnlyList<string> args, TextWriter output, TextWriter error)
    {
        ParseResult parsed = root.Parse(args, Configuration);
        if (parsed.Action is ParseErrorAction action)
        {
            // A value after a wrong word may not be parsed as what it is, so the flags are looked for among the words.
            return Report(UsageErrors.Explain(parsed, action), args.Contains(CommonOptions.Json.Name), IsVerbose(args.Contains(CommonOptions.Verbose.Name)), output, error);
        }

        if (UsageErrors.FindEmptyValue(parsed) is { } empty)
        {
            return Report(empty, parsed.GetValue(CommonOptions.Json), IsVerbose(parsed.GetValue(CommonOptions.Verbose)), output, error);
        }

        using var interruption = new CancellationTokenSource();
        using PosixSignalRegistration sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        try
        {
            return parsed.Invoke(new Console(interruption.Token) { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (Exception failure)
        {
            return Report(Unwrap(failure), parsed.GetValue(CommonOptions.Json), IsVerbose(parsed.GetValue(CommonOptions.Verbose)), output, error);
        }

        void Interrupt(PosixSignalContext signal)
        {
            // The first signal asks for a clean end; a second one ends the process as if nobody listened.
            if (!interruption.IsCancellationRequested)
            {
                signal.Cancel = true;
                error.WriteLine("stopping; again to stop at once");
                interruption.Cancel();
            }
        }
    }

    private static int Report(Exception failure, bool json, bool verbose, TextWriter output, TextWriter error)
    {
        (string message, string? hint, ExitCode exitCode) = failure switch
        {
            OffloadException known => (OneLine(known.Message), known.Hint, known.ExitCode),
            OperationCanceledException => ("interrupted", null, ExitCode.Interrupted),
            _ => ($"{failure.GetType().Name}: {OneLine(failure.Message)}", "this is a defect of offload; --verbose shows where it happened", ExitCode.Failed),
        };
        error.WriteLine($"error: {message}");
        if (hint is not null)
        {
            error.WriteLine($"hint: {hint}");
        }

        if (verbose && exitCode != ExitCode.Interrupted)
        {
            error.WriteLine(failure);
        }

        if (json)
        {
            JsonLine.Write(output, new ErrorLine(message, hint, (int)exitCode));
        }

        return (int)exitCode;
    }

    private static Exception Unwrap(Exception failure)
    {
        while (failure is AggregateException { InnerExceptions.Count: 1 } or TypeInitializationException or TargetInvocationException && failure.InnerException is { } inner)
        {
            failure = inner;
        }

        return failure;
    }

    private static string OneLine(string text) => string.Join(' ', text.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    private static bool IsVerbose(bool option) => option || Environment.GetEnvironmentVariable(VerboseVariable) is not (null or "" or "0");

    // Carries the cancellation to the command's action, which the library gives nothing but its parse result.
    private sealed class Console(CancellationToken cancellation) : InvocationConfiguration
    {
        internal CancellationToken Cancellation => cancellation;
    }

    private sealed record ErrorLine(string Error, string? Hint, int ExitCode);
}
