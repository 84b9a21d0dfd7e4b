using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Offload.Tests.Infrastructure;

/// <summary>The built program beside the tests, in a process of its own.</summary>
public sealed partial class OffloadProcess : IDisposable
{
    private const int SigInt = 2;
    private const int SigTerm = 15;

    private readonly Process _process;
    private readonly Task<string> _error;
    private readonly StringBuilder _output = new();

    public OffloadProcess(params IEnumerable<string> args)
    {
        var start = new ProcessStartInfo(System.IO.Path.Combine(AppContext.BaseDirectory, "offload"), args) { RedirectStandardOutput = true, RedirectStandardError = true };
        // The program's starter must find the .NET that runs this test, wherever it is installed.
        start.Environment["DOTNET_ROOT"] = System.IO.Path.GetFullPath(System.IO.Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        _process = Process.Start(start)!;
        _error = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>Lines that <see cref="ReadLine"/> has read.</summary>
    public string Output => _output.ToString();

    /// <summary>All of it, once the process has ended.</summary>
    public string Error => _error.GetAwaiter().GetResult();

    /// <summary>The next line of output; null at its end.</summary>
    public string? ReadLine()
    {
        string? line = _process.StandardOutput.ReadLine();
        _output.AppendLine(line);
        return line;
    }

    /// <summary>SIGKILL.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Sends a signal.</summary>
    /// <returns>Whether the system took it.</returns>
    private bool Signal(int signal) => SendSignal(_process.Id, signal) == 0;

    /// <summary>
    /// Interrupts it as Ctrl-C does; by SIGTERM, which means the same to it, where the tests run as a background job of a shell: such a shell
    /// has its jobs ignore SIGINT, and their children inherit that.
    /// </summary>
    public bool Interrupt() => Signal(IsIgnored(SigInt) ? SigTerm : SigInt);

    /// <summary>Reads the output to its end and returns the exit code.</summary>
    public int Wait()
    {
        while (ReadLine() is not null)
        {
        }

        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private static bool IsIgnored(int signal)
    {
        const string Field = "SigIgn:";
        string mask = File.ReadLines("/proc/self/status").First(line => line.StartsWith(Field, StringComparison.Ordinal))[Field.Length..];
        return (Convert.ToUInt64(mask.Trim(), 16) >> (signal - 1) & 1) != 0;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
