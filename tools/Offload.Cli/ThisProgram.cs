using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Offload.Cli;

/// <summary>How a user's shell calls this very program again, which need not be on the PATH.</summary>
internal static class ThisProgram
{
    private const string Name = "offload";

    private static readonly SearchValues<char> Plain = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-+=:@,");

    /// <summary>The words that start it.</summary>
    internal static string Command { get; } = Find(Environment.ProcessPath, AppContext.BaseDirectory, Environment.GetEnvironmentVariable("PATH") ?? "");

    /// <summary>How to start it in a process of its own, with this one's environment.</summary>
    /// <param name="args">Its words.</param>
    internal static ProcessStartInfo Start(IEnumerable<string> args)
    {
        // Hosted by dotnet, or by tests: the host is that of the runtime that works here.
        string? self = Environment.ProcessPath;
        string host = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
        return self is not null && Path.GetFileName(self) == Name
            ? new ProcessStartInfo(self, args)
            : new ProcessStartInfo(File.Exists(host) ? host : "dotnet", [Path.Combine(AppContext.BaseDirectory, Name + ".dll"), .. args]);
    }

    /// <summary>As <see cref="Command"/>, for a process of that path, with the program in that folder.</summary>
    internal static string Find(string? processPath, string folder, string searchPath)
    {
        if (searchPath.Split(':', StringSplitOptions.RemoveEmptyEntries).Select(one => Path.Combine(one, Name)).FirstOrDefault(File.Exists) is { } found && IsSame(found, processPath))
        {
            return Name;
        }

        // With .NET inside, the program starts by itself; otherwise it does so only if .NET is in one of a few places, and dotnet always starts it.
        return processPath is not null && File.Exists(Path.Combine(folder, "libhostpolicy.so"))
            ? Quote(processPath)
            : $"dotnet {Quote(Path.Combine(folder, Name + ".dll"))}";
    }

    /// <summary>A word as a POSIX shell reads it back: in quotes if it needs them.</summary>
    internal static string Quote(string word) =>
        word.Length > 0 && !word.AsSpan().ContainsAnyExcept(Plain) ? word : $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    private static bool IsSame(string path, string? other) => (File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path) == other;
}
