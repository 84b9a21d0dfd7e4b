using Offload.Profiles;

namespace Offload.Engine.Interop;

/// <summary>An operator or call of libtorch failed; the message carries libtorch's own text. Exit code 1.</summary>
public sealed class LibtorchException(string operation, string libtorchText, string? hint = null)
    : OffloadException($"libtorch: {operation} failed: {libtorchText}", hint, cause: null)
{
    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Failed;
}
