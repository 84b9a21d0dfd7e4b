using System.Runtime.InteropServices;

namespace Offload.Engine.Interop;

/// <summary>
/// The C library's dlopen. <see cref="NativeLibrary"/> loads with RTLD_LOCAL, but libtorch's libraries find each other's
/// operator registries, and LibTorchSharp finds them, through the global scope.
/// </summary>
internal static partial class DynamicLoader
{
    private const int RtldNow = 0x2;
    private const int RtldNoLoad = 0x4;
    private const int RtldGlobal = 0x100;

    /// <summary>Loads a library with all its symbols bound now and visible to those loaded later.</summary>
    /// <exception cref="NativeLibraryException">dlopen refuses; carries dlerror's text.</exception>
    internal static IntPtr LoadGlobal(string path, string hint)
    {
        // Clears the last error, and binds dlerror itself: bound after the failure, its own look-up would clear the text.
        Error();
        IntPtr handle = Open(path, RtldNow | RtldGlobal);
        return handle != IntPtr.Zero ? handle : throw new NativeLibraryException(path, "load the library", LastError(), hint);
    }

    /// <summary>Whether this very file (by path, or by device and inode, so that a hard link counts) is loaded already.</summary>
    internal static bool IsLoaded(string path) => Open(path, RtldNow | RtldNoLoad) != IntPtr.Zero;

    /// <summary>Handle of the loaded library of this name; zero if none is loaded.</summary>
    internal static IntPtr FindLoaded(string name) => Open(name, RtldNow | RtldNoLoad);

    /// <summary>
    /// Makes a loaded library known under another path, so that opening that path finds this library. In glibc a handle is a
    /// <c>struct link_map*</c> (link.h: l_addr, l_name, ...) and a path is looked up among the l_name of what is loaded. The
    /// library must never be closed.
    /// </summary>
    internal static unsafe void Rename(IntPtr handle, string path) => ((IntPtr*)handle)[1] = Marshal.StringToCoTaskMemUTF8(path);

    /// <summary>Paths of the files mapped into this process whose name begins so, each once, in the order of their addresses.</summary>
    internal static IReadOnlyList<string> MappedFiles(string namePrefix)
    {
        // /proc/self/maps: address perms offset dev inode path; the path starts at the first '/'.
        return [.. File.ReadLines("/proc/self/maps")
            .Select(line => line.IndexOf('/', StringComparison.Ordinal) is int start && start >= 0 ? line[start..] : "")
            .Where(path => Path.GetFileName(path).StartsWith(namePrefix, StringComparison.Ordinal))
            .Distinct()];
    }

    private static string LastError() => Marshal.PtrToStringUTF8(Error()) ?? "the loader gives no reason";

    [LibraryImport("libc", EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial IntPtr Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "dlerror")]
    private static partial IntPtr Error();
}
