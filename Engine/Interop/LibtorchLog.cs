using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Offload.Engine.Interop;

/// <summary>
/// libtorch's error log. The stable C ABI writes an error's text to standard error and returns only a code; here the log is kept
/// silent, and its text read where an exception needs it.
/// </summary>
internal static unsafe partial class LibtorchLog
{
    private const int StandardError = 2;
    private const int MemoryFileCloseOnExec = 1;
    private const int DuplicateCloseOnExec = 1030;
    private const int SetFlags = 4;
    private const int Append = 0x400;

    // c10/util/Logging.h: errors are 2; at 3 only fatal ones are logged (and still end the process, which a higher level would prevent).
    private const int SeverityError = 2;
    private const int SeverityFatal = 3;

    /// <summary>Time for a thread to end a write that it has begun: a few of the scheduler's slices.</summary>
    private const int SettleMilliseconds = 10;

    private static readonly Lock CaptureLock = new();
    private static readonly int* Level = FindLevel();

    /// <summary>Stops libtorch from printing the errors that we turn into exceptions; for the whole process.</summary>
    public static void Silence() => SetLevel(SeverityFatal);

    /// <summary>
    /// The text that libtorch logs while an action runs. Standard error goes to memory meanwhile, for this process; what others wrote
    /// there is passed on afterwards. Callers from several threads take turns.
    /// </summary>
    /// <param name="action">Logs one error on this thread.</param>
    /// <returns>First line of the error, without time and place; null if none was logged.</returns>
    public static string? Capture(Action action)
    {
        lock (CaptureLock)
        {
            while (true)
            {
                MatchCollection errors = ErrorPattern().Matches(CaptureLocked(action));
                if (errors.Count <= 1)
                {
                    return errors.Count == 0 ? null : Utf8(errors[0].Groups["message"].Value).Trim();
                }

                // Another thread's error is among them, and nothing tells which. That thread now waits for its turn here, so this ends.
            }
        }
    }

    /// <returns>What was written to standard error, each byte a character.</returns>
    private static string CaptureLocked(Action action)
    {
        int memory = memfd_create("libtorch-log", MemoryFileCloseOnExec);
        int saved = fcntl(StandardError, DuplicateCloseOnExec, 3);
        try
        {
            // Appending, so that threads which write at once do not write over each other.
            if (memory < 0 || saved < 0 || fcntl(memory, SetFlags, Append) < 0 || dup2(memory, StandardError) < 0)
            {
                // Without standard error there is nothing to read; the caller says so.
                action();
                return "";
            }

            try
            {
                SetLevel(SeverityError);
                action();
            }
            finally
            {
                // Another thread's error that is being logged already ends in memory, not on standard error ...
                SetLevel(SeverityFatal);
                Thread.Sleep(SettleMilliseconds);
                _ = dup2(saved, StandardError);
            }

            // ... and a thread in the middle of a write still has the memory file.
            Thread.Sleep(SettleMilliseconds);
            string text = ReadAll(memory);
            WriteAll(ErrorPattern().Replace(text, ""));
            return text;
        }
        finally
        {
            Close(memory);
            Close(saved);
        }
    }

    private static string ReadAll(int file)
    {
        _ = lseek(file, 0, 0);
        var text = new StringBuilder();
        byte* buffer = stackalloc byte[4096];
        for (nint count; (count = read(file, buffer, 4096)) > 0;)
        {
            text.Append(Encoding.Latin1.GetString(buffer, (int)count));
        }

        return text.ToString();
    }

    private static void WriteAll(string text)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        fixed (byte* start = bytes)
        {
            nint done = 0;
            for (nint count; done < bytes.Length && (count = write(StandardError, start + done, bytes.Length - done)) > 0;)
            {
                done += count;
            }
        }
    }

    private static string Utf8(string bytes) => Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(bytes));

    private static void Close(int descriptor)
    {
        if (descriptor >= 0)
        {
            _ = close(descriptor);
        }
    }

    private static int* FindLevel()
    {
        // By its name alone: the libc10 that belongs to the loaded libtorch, never a second one from beside the application.
        NativeLibrary.TryLoad(StableAbi.Library, typeof(LibtorchLog).Assembly, null, out _);
        return DynamicLoader.FindLoaded("libc10.so") is nint library and not 0
            && NativeLibrary.TryGetExport(library, "FLAGS_caffe2_log_level", out nint address)
                ? (int*)address
                : null;
    }

    private static void SetLevel(int level)
    {
        if (Level != null)
        {
            *Level = level;
        }
    }

    /// <summary>One logged error: "[Emmdd time file:line] Exception in aoti_torch: message", and the stack trace that may follow. The
    /// head is missing where another thread began to log before the capture and ended within it.</summary>
    [GeneratedRegex(
        @"(\[E\d{4} [\d:.]+ \S+:\d+\] )?Exception in aoti_torch: (?<message>[^\n]*)\n?(((?![^\n]*Exception in aoti_torch: )[^\n]*\n)*?Exception raised from [^\n]*\n(frame \#\d+: [^\n]*\n)*\n?)?",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex ErrorPattern();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc")]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial long lseek(int descriptor, long offset, int whence);

    [LibraryImport("libc")]
    private static partial nint read(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc")]
    private static partial nint write(int descriptor, byte* buffer, nint count);
}
