using System.Runtime.InteropServices;
using System.Text;

namespace Offload.Engine.Tests.Interop;

/// <summary>Sends the process's standard error to a file for a while, below .NET's streams, as native libraries write it.</summary>
internal static unsafe partial class StandardErrorFile
{
    private const int Descriptor = 2;

    public static string Record(Action action)
    {
        string path = Path.GetTempFileName();
        int saved = dup(Descriptor);
        try
        {
            using (FileStream file = new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
            {
                Assert.True(dup2((int)file.SafeFileHandle.DangerousGetHandle(), Descriptor) >= 0);
            }

            action();
        }
        finally
        {
            _ = dup2(saved, Descriptor);
            _ = close(saved);
        }

        string text = File.ReadAllText(path, Encoding.UTF8);
        File.Delete(path);
        return text;
    }

    public static void Write(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        fixed (byte* start = bytes)
        {
            Assert.Equal(bytes.Length, write(Descriptor, start, bytes.Length));
        }
    }

    [LibraryImport("libc")]
    private static partial int dup(int descriptor);

    [LibraryImport("libc")]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial nint write(int descriptor, byte* buffer, nint count);
}
