using Offload.Profiles;

namespace Offload.Storage;

/// <summary>
/// A model, data set or tokenizer given by the user cannot be read: missing, truncated, malformed, or with a part that is not
/// supported. Exit code 5.
/// </summary>
public sealed class UnreadableInputException : OffloadException
{
    /// <param name="where">The file, with the line, field or tensor where it applies.</param>
    /// <param name="problem">What is wrong, with expected and found.</param>
    /// <param name="hint">How to mend it, or null.</param>
    /// <param name="cause">The error underneath, if any.</param>
    public UnreadableInputException(string where, string problem, string? hint = null, Exception? cause = null)
        : base($"{where}: {problem}", hint, cause)
    {
        Where = where;
    }

    /// <summary>The file, with the line, field or tensor where it applies.</summary>
    public string Where { get; }

    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.UnreadableInput;
}
