using Offload.Profiles;

namespace Offload.Storage.Memory;

/// <summary>Memory that was asked for is beyond a limit, or the system has no such room. Exit code 3: no plan fits.</summary>
public sealed class MemoryLimitException(string message, string? hint = null, Exception? cause = null) : OffloadException(message, hint, cause)
{
    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Infeasible;
}
