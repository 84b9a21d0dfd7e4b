using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Offload.Storage.Files;
using Offload.Storage.Interop;

namespace Offload.Storage.Devices;

/// <summary>The open file under a device: how it may be accessed, what was transferred, and the errors of its transfers. Any thread.</summary>
internal sealed class DirectFile : IDisposable
{
    /// <summary>Of buffered files, whose file system asks for none: the smallest block of disks, so that a caller's layout works on both.</summary>
    private const int BufferedAlignmentBytes = 512;

    private const int LockRetryMilliseconds = 20;

    private readonly SafeFileHandle _handle;
    private readonly object _flushGate = new();
    private StorageException? _flushError;
    private long _bytesRead;
    private long _bytesWritten;
    private long _flushes;

    private DirectFile(string path, SafeFileHandle handle, bool isDirect, bool isWritable, int alignmentBytes, long sizeBytes)
    {
        _handle = handle;
        Path = path;
        Descriptor = (int)handle.DangerousGetHandle();
        IsDirect = isDirect;
        IsWritable = isWritable;
        AlignmentBytes = alignmentBytes;
        SizeBytes = sizeBytes;
    }

    public string Path { get; private set; }

    /// <summary>Valid until <see cref="Dispose"/>.</summary>
    public int Descriptor { get; }

    public bool IsDirect { get; }

    public bool IsWritable { get; }

    public int AlignmentBytes { get; }

    public long SizeBytes { get; }

    public DeviceTraffic Traffic => new(Interlocked.Read(ref _bytesRead), Interlocked.Read(ref _bytesWritten), Interlocked.Read(ref _flushes));

    /// <exception cref="StorageException">It is missing, no regular file, locked, or the system refuses.</exception>
    public static DirectFile Open(string path, DirectFileOptions options)
    {
        string? whyBuffered = null;
        if (options.TryDirect)
        {
            if (TryOpenDirect(path, options, out whyBuffered) is { } file)
            {
                return file;
            }

            options.OnWarning?.Invoke($"{path}: {whyBuffered}; reads and writes go through the page cache");
        }

        int error = FileCalls.Open(path, Access(options), out SafeFileHandle? handle);
        return error == 0 ? Take(path, handle!, options, isDirect: false, alignmentBytes: BufferedAlignmentBytes) : throw IoErrors.FromErrno(path, "open", error);
    }

    /// <summary>The file has another name now.</summary>
    public void Renamed(string path) => Path = path;

    /// <summary>Counts a transfer that is done.</summary>
    public void Count(BlockRequest request)
    {
        if (request.Operation == BlockOperation.Read)
        {
            Interlocked.Add(ref _bytesRead, request.SizeBytes);
        }
        else
        {
            Interlocked.Add(ref _bytesWritten, request.SizeBytes);
        }
    }

    /// <summary>Whether so much of a direct transfer is not a whole block: only the end of the file cuts one.</summary>
    public bool IsCut(int doneBytes) => IsDirect && (doneBytes & (AlignmentBytes - 1)) != 0;

    /// <summary>The error of a request.</summary>
    public StorageException Error(BlockRequest request, int errno) => IoErrors.FromErrno(Path, Describe(request), errno);

    /// <summary>The error of a request of which not all could be transferred, though the system reports none.</summary>
    public StorageException CutError(BlockRequest request, int doneBytes) => new(
        Path,
        Describe(request),
        $"only {doneBytes} bytes were transferred: {(request.Operation == BlockOperation.Read ? "the file has become shorter since it was opened" : "the file takes no more")}",
        "Let no other program change the file while it is in use.");

    public void Flush()
    {
        lock (_flushGate)
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, typeof(DirectFileDevice));

            // The kernel reports a lost write once. A second fdatasync would succeed and prove nothing.
            if (_flushError is not null)
            {
                throw new StorageException(Path, "flush", "an earlier flush failed", _flushError.Hint, _flushError);
            }

            int error = FileCalls.SyncData(Descriptor);
            if (error != 0)
            {
                _flushError = IoErrors.FromErrno(Path, "flush", error);
                throw _flushError;
            }

            Interlocked.Increment(ref _flushes);
            if (!IsDirect)
            {
                FileCalls.DropCache(Descriptor, 0, 0);
            }
        }
    }

    /// <summary>Closes, after a flush that runs, and with it gives up the lock; idempotent.</summary>
    public void Dispose()
    {
        lock (_flushGate)
        {
            _handle.Dispose();
        }
    }

    private static string Describe(BlockRequest request) =>
        IoErrors.Transfer(request.Operation == BlockOperation.Read ? "read" : "write", request.SizeBytes, request.OffsetBytes);

    private static int Access(DirectFileOptions options) => options.ExclusiveLock ? FileCalls.ReadWrite : Libc.ReadOnly;

    private static DirectFile? TryOpenDirect(string path, DirectFileOptions options, out string? whyNot)
    {
        int error = FileCalls.Open(path, Access(options) | FileCalls.Direct, out SafeFileHandle? handle);
        if (error is Libc.Einval or Libc.Enotsup)
        {
            whyNot = "the file system refuses O_DIRECT";
            return null;
        }

        if (error != 0)
        {
            throw IoErrors.FromErrno(path, "open", error);
        }

        int descriptor = (int)handle!.DangerousGetHandle();
        try
        {
            if (FileCalls.IsInMemory(descriptor))
            {
                handle.Dispose();
                whyNot = "the file system is memory, not a disk";
                return null;
            }

            int? alignmentBytes = DirectAlignment.Find(path, descriptor);
            if (alignmentBytes is null)
            {
                handle.Dispose();
                whyNot = "the file system takes O_DIRECT but no aligned read of up to 4096 bytes";
                return null;
            }

            whyNot = null;
            return Take(path, handle, options, isDirect: true, alignmentBytes.Value);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static DirectFile Take(string path, SafeFileHandle handle, DirectFileOptions options, bool isDirect, int alignmentBytes)
    {
        try
        {
            int descriptor = (int)handle.DangerousGetHandle();
            int error = FileCalls.Stat(descriptor, out bool isRegular, out long sizeBytes, out _);
            if (error != 0)
            {
                throw IoErrors.FromErrno(path, "ask for the size", error);
            }

            if (!isRegular)
            {
                throw new StorageException(path, "open", "expected a regular file, found a folder, pipe or device", "Name a file on the drive's file system.");
            }

            if (options.ExclusiveLock)
            {
                Lock(path, descriptor, options);
            }

            return new DirectFile(path, handle, isDirect, options.ExclusiveLock, alignmentBytes, sizeBytes);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static void Lock(string path, int descriptor, DirectFileOptions options)
    {
        // Requests of a process that was just killed keep the file open, and so locked, until they are done; the kernel has no lock with a time limit.
        long start = Stopwatch.GetTimestamp();
        int result = FileCalls.LockExclusive(descriptor);
        while (result == Libc.Eagain && Stopwatch.GetElapsedTime(start) < options.LockWait)
        {
            Thread.Sleep(LockRetryMilliseconds);
            result = FileCalls.LockExclusive(descriptor);
        }

        switch (result)
        {
            case 0:
                return;
            case Libc.Eagain:
                throw new StorageException(path, "lock", "another process is using this file", "Wait until it has ended, or use another folder.");
            case Libc.Enosys or Libc.Enotsup or Libc.Enolck:
                options.OnWarning?.Invoke($"{path}: the file system has no locks; make sure that no other process uses this file");
                return;
            case int error:
                throw IoErrors.FromErrno(path, "lock", error);
        }
    }
}
