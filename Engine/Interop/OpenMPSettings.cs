using System.Runtime.InteropServices;

namespace Offload.Engine.Interop;

/// <summary>How libtorch's OpenMP threads wait for work.</summary>
internal static partial class OpenMPSettings
{
    /// <summary>
    /// Lets them sleep instead of spin, unless the user has chosen: our own kernels run between libtorch's on the same cores, and a
    /// spinning thread takes one of them away. On a busy 2-core machine a small model trained twice as fast (docs/log.md). To be called
    /// before libtorch is loaded; the setting goes to the process's native environment, which .NET's own call does not change.
    /// </summary>
    public static void Apply() => _ = setenv("OMP_WAIT_POLICY", "passive", overwrite: 0);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
