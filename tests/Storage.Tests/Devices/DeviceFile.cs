using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Offload.Storage.Devices;

namespace Offload.Storage.Tests.Devices;

/// <summary>A preallocated file in a folder of its own, opened as a device.</summary>
internal sealed partial class DeviceFile : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    internal DeviceFile(IoEngine engine, long sizeBytes, int queueDepth = DirectFileOptions.DefaultQueueDepth)
    {
        Assert.SkipWhen(engine == IoEngine.IoUring && DirectFileDevice.IoUringProblem() is not null, "no io_uring here");
        Path = _folder["states"];
        PreallocatedFile.Create(Path, sizeBytes);
        Device = DirectFileDevice.Open(Path, new DirectFileOptions { Engine = engine, QueueDepth = queueDepth });
        Assert.Equal(engine, Device.Engine);
    }

    internal string Path { get; }

    internal DirectFileDevice Device { get; }

    /// <summary>Puts another file in the place of the open one, under its descriptor: a disk that fails on command, without privileges.</summary>
    internal void ReplaceBy(string path, FileAccess access)
    {
        using SafeFileHandle other = File.OpenHandle(path, FileMode.Open, access, FileShare.ReadWrite);
        Assert.True(Dup2(other.DangerousGetHandle().ToInt32(), Device.Descriptor) >= 0);
    }

    public void Dispose()
    {
        Device.Dispose();
        _folder.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int Dup2(int oldDescriptor, int newDescriptor);
}
