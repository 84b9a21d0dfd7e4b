using System.Runtime.InteropServices;
using System.Text;

namespace Offload.Cli.Doctor;

/// <summary>An MPI for runs over several nodes. Nothing else needs one.</summary>
internal static class MpiChecks
{
    // MPICH's MPI_MAX_LIBRARY_VERSION_STRING, the largest of the implementations'.
    private const int VersionBytes = 8192;

    // Open MPI 4 and 5; MPICH, Intel MPI and MVAPICH; the MPI-5 ABI; and whatever a development package calls just libmpi.
    private static readonly string[] Names = ["libmpi.so.40", "libmpi.so.12", "libmpi_abi.so.0", "libmpi.so"];

    internal static unsafe Check Run()
    {
        foreach (string name in Names)
        {
            if (NativeLibrary.TryLoad(name, out IntPtr library) && NativeLibrary.TryGetExport(library, "MPI_Get_library_version", out IntPtr function))
            {
                byte[] buffer = new byte[VersionBytes];
                int length = 0;
                int result;
                fixed (byte* text = buffer)
                {
                    // One of the few calls that MPI allows before MPI_Init.
                    result = ((delegate* unmanaged<byte*, int*, int>)function)(text, &length);
                }

                string version = Encoding.ASCII.GetString(buffer, 0, Math.Clamp(length, 0, VersionBytes)).Split('\n')[0].TrimEnd('\0', ' ');
                return result == 0 ? Check.Ok("MPI", $"{version} ({name})") : Check.Warning("MPI", $"{name}: MPI_Get_library_version failed with {result}", "reinstall MPI");
            }
        }

        return Check.Missing("MPI", "no libmpi", "only for several nodes: 'apt install openmpi-bin' or 'apt install mpich'");
    }
}
