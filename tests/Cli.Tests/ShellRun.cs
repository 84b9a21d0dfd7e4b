using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Offload.Cli.Tests;

/// <summary>Programs in processes of their own, with all that they write.</summary>
internal static class ShellRun
{
    /// <summary>The built program beside the tests.</summary>
    internal static string Offload => Path.Combine(AppContext.BaseDirectory, "offload");

    /// <summary>Runs a program to its end.</summary>
    internal static CliRun Run(string program, params string[] args)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        // The runtime's own double mapping of code is a file too.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CliRun(process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
