using Offload.Profiles;

namespace Offload.Cli.Benchmarks;

/// <summary>What this program could not do in a process of its own, with that process's exit code.</summary>
/// <param name="message">One line.</param>
/// <param name="hint">How to mend it.</param>
/// <param name="exitCode">As the process ended.</param>
internal sealed class ChildProcessException(string message, string hint, ExitCode exitCode) : OffloadException(message, hint, cause: null)
{
    /// <inheritdoc/>
    public override ExitCode ExitCode => exitCode;
}
