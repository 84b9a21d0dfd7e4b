using Offload.Profiles;

namespace Offload.Engine.Interop;

/// <summary>
/// A native library (libtorch, LibTorchSharp, the CUDA driver) cannot be loaded, lacks something, or one of its functions failed.
/// Exit code 1.
/// </summary>
public sealed class NativeLibraryException : OffloadException
{
    /// <param name="library">The library: its path if known, else its name.</param>
    /// <param name="operation">What was tried: "load the library", "run aten::mm".</param>
    /// <param name="problem">What happened: the loader's or the library's own text, or expected and found.</param>
    /// <param name="hint">How to mend it, or null.</param>
    /// <param name="cause">The error underneath, if any.</param>
    public NativeLibraryException(string library, string operation, string problem, string? hint = null, Exception? cause = null)
        : base($"{library}: cannot {operation}: {problem}", hint, cause)
    {
        Library = library;
        Operation = operation;
    }

    /// <summary>The library: its path if known, else its name.</summary>
    public string Library { get; }

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Failed;
}
