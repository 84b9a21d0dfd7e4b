namespace Offload.Profiles;

/// <summary>An option or setting has a value that cannot be used. Exit code 2.</summary>
public sealed class UsageException(string message, string? hint = null, Exception? cause = null) : OffloadException(message, hint, cause)
{
    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Usage;
}
