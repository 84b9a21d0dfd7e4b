using System.CommandLine;

namespace Offload.Cli.Commands;

/// <summary><c>offload bench</c>: measurements of this machine, one subcommand each.</summary>
internal static class BenchCommand
{
    internal static Command Create() => new("bench", "Measure what this machine can do") { BenchStorageCommand.Create(), BenchGpuCommand.Create() };
}
