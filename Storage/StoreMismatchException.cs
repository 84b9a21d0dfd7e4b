using Offload.Profiles;

namespace Offload.Storage;

/// <summary>A state store or checkpoint is corrupt, of an unknown version, or belongs to another model or run. Exit code 4.</summary>
public sealed class StoreMismatchException : OffloadException
{
    /// <param name="path">The store's file or folder.</param>
    /// <param name="problem">What is wrong, with expected and found.</param>
    /// <param name="hint">How to mend it, or null.</param>
    /// <param name="cause">The error underneath, if any.</param>
    public StoreMismatchException(string path, string problem, string? hint = null, Exception? cause = null)
        : base($"{path}: {problem}", hint, cause)
    {
        Path = path;
    }

    /// <summary>The store's file or folder.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Store;
}
