namespace Offload.Profiles;

/// <summary>
/// Base of every error that Offload reports to its user. The message is one line that says what is wrong, where, what was
/// expected and what was found; <see cref="Hint"/> says how to mend it. It lives in the lowest library so that all may throw it.
/// </summary>
public abstract class OffloadException : Exception
{
    /// <param name="message">What, where, expected, found; one line.</param>
    /// <param name="hint">How to mend it; one line, or null if there is nothing to advise.</param>
    /// <param name="cause">The error underneath, if any.</param>
    protected OffloadException(string message, string? hint, Exception? cause)
        : base(message, cause)
    {
        Hint = hint;
    }

    /// <summary>How to mend it, in one line; null if there is nothing to advise.</summary>
    public string? Hint { get; }

    /// <summary>The exit code of a command that ends with this error.</summary>
    public abstract ExitCode ExitCode { get; }
}
