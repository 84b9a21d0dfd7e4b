using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Offload.Storage.Files;

namespace Offload.Storage.Tests.Files;

/// <summary>A disk that becomes full on command, without a mount or privileges: /dev/full takes the place of the open file.</summary>
internal sealed partial class FillingDisk(bool isFull = false)
{
    private SafeFileHandle? _handle;

    internal AtomicFile Create(string path)
    {
        string temporaryPath = path + ".temporary";
        _handle = File.OpenHandle(temporaryPath, FileMode.CreateNew, FileAccess.Write);
        if (isFull)
        {
            Fill();
        }

        return new AtomicFile(path, temporaryPath, _handle);
    }

    internal void Fill()
    {
        using SafeFileHandle full = File.OpenHandle("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        Assert.True(Dup2(full.DangerousGetHandle().ToInt32(), _handle!.DangerousGetHandle().ToInt32()) >= 0);
    }

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int Dup2(int oldDescriptor, int newDescriptor);
}
