using System.CommandLine;

namespace Offload.Cli.Commands;

/// <summary><c>offload profile</c>: measurements that plans are made of and compared with, one subcommand each.</summary>
internal static class ProfileCommand
{
    internal static Command Create() => new("profile", "Measure this machine for plans") { ProfileHardwareCommand.Create(), ProfileStepCommand.Create() };
}
