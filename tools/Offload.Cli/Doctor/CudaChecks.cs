using System.Runtime.InteropServices;
using System.Text;

namespace Offload.Cli.Doctor;

/// <summary>The CUDA driver and its devices, asked through the driver's own library.</summary>
internal static class CudaChecks
{
    private const string Driver = "libcuda.so.1";
    private const int NameBytes = 256;

    internal static IEnumerable<Check> Run()
    {
        if (!NativeLibrary.TryLoad(Driver, out IntPtr library))
        {
            return [Check.Missing("CUDA driver", $"no {Driver}", "only --device cpu works; for a GPU install NVIDIA's driver, or start the container with its GPUs")];
        }

        try
        {
            return Devices(library);
        }
        catch (EntryPointNotFoundException error)
        {
            return [Check.Missing("CUDA driver", $"{Driver} is no whole driver: {error.Message.ReplaceLineEndings(" ")}", "it may be a stub for building; install NVIDIA's driver, or start the container with its GPUs")];
        }
    }

    private static unsafe List<Check> Devices(IntPtr library)
    {
        int result = ((delegate* unmanaged<uint, int>)NativeLibrary.GetExport(library, "cuInit"))(0);
        int numDevices = 0;
        int version = 0;
        if (result == 0)
        {
            _ = ((delegate* unmanaged<int*, int>)NativeLibrary.GetExport(library, "cuDriverGetVersion"))(&version);
            result = ((delegate* unmanaged<int*, int>)NativeLibrary.GetExport(library, "cuDeviceGetCount"))(&numDevices);
        }

        if (result != 0 || numDevices == 0)
        {
            return [Check.Missing("CUDA driver", result == 0 ? "no device" : $"CUDA error {result}", "'nvidia-smi' shows what the driver sees; CUDA_VISIBLE_DEVICES may hide devices")];
        }

        var checks = new List<Check> { Check.Ok("CUDA driver", $"CUDA {version / 1000}.{version % 1000 / 10}, {numDevices} device{(numDevices > 1 ? "s" : "")}") };
        var getDevice = (delegate* unmanaged<int*, int, int>)NativeLibrary.GetExport(library, "cuDeviceGet");
        var getName = (delegate* unmanaged<byte*, int, int, int>)NativeLibrary.GetExport(library, "cuDeviceGetName");
        var getMemory = (delegate* unmanaged<nuint*, int, int>)NativeLibrary.GetExport(library, "cuDeviceTotalMem_v2");
        byte* name = stackalloc byte[NameBytes];
        for (int i = 0; i < numDevices; i++)
        {
            int device;
            nuint memoryBytes = 0;
            int failure = getDevice(&device, i);
            failure = failure != 0 ? failure : getName(name, NameBytes, device);
            failure = failure != 0 ? failure : getMemory(&memoryBytes, device);
            checks.Add(failure == 0
                ? Check.Ok($"GPU cuda:{i}", $"{Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name))}, {Sizes.Format((long)memoryBytes)}")
                : Check.Warning($"GPU cuda:{i}", $"CUDA error {failure}", "'nvidia-smi' shows the device's state"));
        }

        return checks;
    }
}
