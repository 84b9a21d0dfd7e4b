using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Offload.Cli.Benchmarks;

/// <summary>This program in a process of its own: all its memory goes back to the system at its end, and its high-water marks are its own.</summary>
internal static partial class ChildProcess
{
    private const int Terminate = 15;

    /// <summary>Runs it to its end.</summary>
    /// <param name="args">Its words.</param>
    /// <param name="message">Told each line that it writes to stderr, on a thread of the pool.</param>
    /// <param name="cancellation">Asked before and after. A Ctrl-C reaches the process too, as one of the terminal's group, and SIGTERM is handed on: it stops at its next safe point.</param>
    /// <returns>Its exit code and the last line of stdout, which may be empty.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the process has ended.</exception>
    internal static (int ExitCode, string LastLine) Run(IEnumerable<string> args, Action<string> message, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        ProcessStartInfo start = ThisProgram.Start(args);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        using PosixSignalRegistration handOn = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => _ = Kill(process.Id, Terminate));
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null)
            {
                message(line.Data);
            }
        };
        process.BeginErrorReadLine();
        string last = "";
        while (process.StandardOutput.ReadLine() is { } line)
        {
            last = line.Length > 0 ? line : last;
        }

        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        return (process.ExitCode, last);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
