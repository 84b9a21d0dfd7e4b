using Offload.Profiles;

namespace Offload.Storage;

/// <summary>
/// Reading or writing failed: an error of the operating system, a short transfer, a full disk. Names path, operation and,
/// where they apply, offset and errno. Exit code 1.
/// </summary>
public sealed class StorageException : OffloadException
{
    /// <param name="path">The file or folder.</param>
    /// <param name="operation">What was tried: "write 4096 bytes at offset 8192".</param>
    /// <param name="problem">What happened: the system's text with errno, or expected and found.</param>
    /// <param name="hint">How to mend it, or null.</param>
    /// <param name="cause">The error underneath, if any.</param>
    public StorageException(string path, string operation, string problem, string? hint = null, Exception? cause = null)
        : base($"{path}: cannot {operation}: {problem}", hint, cause)
    {
        Path = path;
        Operation = operation;
    }

    /// <summary>The file or folder.</summary>
    public string Path { get; }

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Failed;
}
