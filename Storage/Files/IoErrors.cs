using System.Runtime.InteropServices;
using Offload.Storage.Interop;

namespace Offload.Storage.Files;

/// <summary>Turns what .NET throws for a failed system call into a <see cref="StorageException"/> that names the errno.</summary>
internal static class IoErrors
{
    /// <summary>Whether the exception is one by which .NET reports a failed file operation.</summary>
    internal static bool IsIoError(Exception error) => error is IOException or UnauthorizedAccessException;

    /// <summary>The error of an operation on a path.</summary>
    internal static StorageException Wrap(string path, string operation, Exception error)
    {
        int errno = Errno(error);
        return errno == 0
            ? new StorageException(path, operation, error.Message, hint: null, error)
            : new StorageException(path, operation, Describe(errno), Hint(errno), error);
    }

    /// <summary>The error of an operation that returned an errno.</summary>
    internal static StorageException FromErrno(string path, string operation, int errno) =>
        new(path, operation, Describe(errno), Hint(errno));

    /// <summary>What was tried, for a transfer: <c>write 4096 bytes at offset 8192</c>.</summary>
    internal static string Transfer(string verb, long sizeBytes, long offsetBytes) => $"{verb} {sizeBytes} bytes at offset {offsetBytes}";

    /// <summary>The errno inside an exception; 0 if it carries none.</summary>
    internal static int Errno(Exception error) => error switch
    {
        FileNotFoundException or DirectoryNotFoundException => Libc.Enoent,
        UnauthorizedAccessException { InnerException: { } inner } => Errno(inner),

        // On Unix .NET puts the raw errno into HResult; its own errors have the sign bit set.
        IOException { HResult: > 0 and < 4096 } io => io.HResult,
        _ => 0,
    };

    private static string Describe(int errno)
    {
        string text = Marshal.GetPInvokeErrorMessage(errno);
        return Name(errno) is { } name ? $"{name} ({errno}): {text}" : $"errno {errno}: {text}";
    }

    private static string? Hint(int errno) => errno switch
    {
        Libc.Enospc or Libc.Edquot => "Free space on that file system or choose a folder on another one.",
        1 or 13 => "Check the owner and mode of the folder, or choose another one.",
        30 => "That file system is mounted read-only; choose a folder on another one.",
        _ => null,
    };

    // Linux numbers, those that file operations give.
    private static string? Name(int errno) => errno switch
    {
        1 => "EPERM",
        Libc.Enoent => "ENOENT",
        Libc.Eintr => "EINTR",
        5 => "EIO",
        9 => "EBADF",
        Libc.Eagain => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        Libc.Ebusy => "EBUSY",
        17 => "EEXIST",
        18 => "EXDEV",
        20 => "ENOTDIR",
        21 => "EISDIR",
        Libc.Einval => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        Libc.Efbig => "EFBIG",
        Libc.Enospc => "ENOSPC",
        29 => "ESPIPE",
        30 => "EROFS",
        36 => "ENAMETOOLONG",
        Libc.Enolck => "ENOLCK",
        Libc.Enosys => "ENOSYS",
        39 => "ENOTEMPTY",
        Libc.Enotsup => "EOPNOTSUPP",
        116 => "ESTALE",
        121 => "EREMOTEIO",
        Libc.Edquot => "EDQUOT",
        Libc.Ecanceled => "ECANCELED",
        _ => null,
    };
}
