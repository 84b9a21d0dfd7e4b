using Microsoft.Win32.SafeHandles;
using Offload.Storage.Devices;
using Offload.Storage.Files;
using Offload.Storage.Interop;

namespace Offload.Storage.States;

/// <summary>A file that this process has made. It is open, so that no other one gets its number even when it was removed.</summary>
internal sealed class MadeFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    private MadeFile(string path, SafeFileHandle handle)
    {
        Path = path;
        _handle = handle;
    }

    /// <summary>Where it was made.</summary>
    public string Path { get; }

    /// <summary>What tells it from what may be at its path now.</summary>
    public FileIdentity? Identity => Libc.IdentityOf((int)_handle.DangerousGetHandle());

    /// <exception cref="StorageException">Too little space, a file is there, or the system refuses.</exception>
    public static MadeFile Create(string path, long sizeBytes, Action<string>? warn)
    {
        PreallocatedFile.Create(path, sizeBytes, warn);
        int error = FileCalls.Open(path, Libc.ReadOnly, out SafeFileHandle? handle);
        return error == 0 ? new MadeFile(path, handle!) : throw IoErrors.FromErrno(path, "open", error);
    }

    public void Dispose() => _handle.Dispose();
}
