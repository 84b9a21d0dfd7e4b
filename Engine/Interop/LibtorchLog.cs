using System.Runtime.InteropServices;
using System.Text;

namespace Offload.Engine.Interop;

/// <summary>
/// libtorch's error log. The stable C ABI writes an error's text to standard error and returns only a code; here the log is kept
/// silent, and its text read where an exception needs it.
/// </summary>
internal static unsafe partial class LibtorchLog
{
    private const int StandardError = 2;
    private const int SeverityError = 2;
    private const int SeveritySilent = 4;
    private const string Marker = "Exception in aoti_torch: ";

    private static readonly Lock CaptureLock = new();
    private static readonly int* Level = FindLevel();

    /// <summary>Stops libtorch from printing the errors that we turn into exceptions.</summary>
    public static void Silence() => SetLevel(SeveritySilent);

    /// <summary>Redirects standard error to memory, for this process, until disposed; other threads' lines are passed on then.</summary>
    public static Capture BeginCapture() => new();

    private static int* FindLevel() =>
        NativeLibrary.TryLoad("libc10.so", typeof(LibtorchLog).Assembly, null, out nint library)
        && NativeLibrary.TryGetExport(library, "FLAGS_caffe2_log_level", out nint address)
            ? (int*)address
            : null;

    private static void SetLevel(int level)
    {
        if (Level != null)
        {
            *Level = level;
        }
    }

    internal sealed class Capture : IDisposable
    {
        private readonly int _memoryFile;
        private readonly int _savedError;
        private string? _text;

        public Capture()
        {
            CaptureLock.Enter();
            _memoryFile = memfd_create("libtorch-log", 0);
            _savedError = dup(StandardError);
            if (_memoryFile >= 0 && _savedError >= 0)
            {
                _ = dup2(_memoryFile, StandardError);
            }

            SetLevel(SeverityError);
        }

        /// <summary>The first line of the error that libtorch logged; restores standard error.</summary>
        public string FirstError()
        {
            Restore();
            int start = _text!.IndexOf(Marker, StringComparison.Ordinal);
            if (start < 0)
            {
                return "no text was logged";
            }

            start += Marker.Length;
            int end = _text.IndexOf('\n', start);
            return _text[start..(end < 0 ? _text.Length : end)].Trim();
        }

        public void Dispose()
        {
            Restore();
            CaptureLock.Exit();
        }

        private void Restore()
        {
            if (_text is not null)
            {
                return;
            }

            SetLevel(SeveritySilent);
            if (_memoryFile < 0 || _savedError < 0)
            {
                _text = "";
                return;
            }

            _ = dup2(_savedError, StandardError);
            _ = close(_savedError);
            _ = lseek(_memoryFile, 0, 0);
            var text = new StringBuilder();
            byte* buffer = stackalloc byte[4096];
            for (nint count; (count = read(_memoryFile, buffer, 4096)) > 0;)
            {
                text.Append(Encoding.UTF8.GetString(buffer, (int)count));
            }

            _ = close(_memoryFile);
            _text = text.ToString();
            if (!_text.Contains(Marker, StringComparison.Ordinal))
            {
                Console.Error.Write(_text);
            }
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc")]
    private static partial int dup(int descriptor);

    [LibraryImport("libc")]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial long lseek(int descriptor, long offset, int whence);

    [LibraryImport("libc")]
    private static partial nint read(int descriptor, byte* buffer, nint count);
}
