using System.CommandLine;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Offload.Cli.Tests;

/// <summary>One run of the program and what came of it.</summary>
internal sealed record CliRun(int ExitCode, string Output, string Error)
{
    internal string LastLine => Output.TrimEnd('\n').Split('\n')[^1];

    /// <summary>The messages without warnings: a temporary folder in memory does not take direct I/O, and that is said.</summary>
    internal string Failure => string.Join('\n', Error.Split('\n').Where(line => !line.StartsWith("warning: ", StringComparison.Ordinal)));

    internal JsonElement LastJson => JsonDocument.Parse(LastLine).RootElement;

    /// <summary>In this process, with the program's own commands.</summary>
    internal static CliRun InProcess(params string[] args) => InProcess(CommandTree.Root, args);

    /// <summary>In this process, with commands of the test's own.</summary>
    internal static CliRun InProcess(RootCommand root, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = CommandFrame.Run(root, args, output, error);
        return new CliRun(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>As users run it: the built program, in a process.</summary>
    internal static CliRun AsProcess(params string[] args)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "offload"), args) { RedirectStandardOutput = true, RedirectStandardError = true };
        // The program's starter must find the .NET that runs this test, wherever it is installed.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CliRun(process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
