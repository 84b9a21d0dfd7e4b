using System.Runtime.InteropServices;

namespace Offload.Engine.Cuda;

/// <summary>
/// The CUDA driver API (cuda.h), which comes with the GPU's driver: no toolkit is needed, and its functions stay across versions. All but
/// <see cref="Load"/> want it loaded; what takes memory, streams or events wants the device's context current on the calling thread.
/// </summary>
internal static unsafe partial class CudaDriver
{
    internal const string Library = "libcuda.so.1";

    /// <summary>CUresult of a query of what is still running.</summary>
    internal const int NotReady = 600;

    internal const int OutOfMemory = 2;
    internal const int StreamNonBlocking = 1;

    /// <summary>A waiting thread sleeps: the default spins on a core. Times are taken, as CU_EVENT_DISABLE_TIMING is not given.</summary>
    internal const int EventBlockingSync = 1;

    /// <summary>For all GPUs of the process, and mapped for kernels: CU_MEMHOSTREGISTER_PORTABLE and _DEVICEMAP.</summary>
    internal const int HostRegisterPortableMapped = 3;

    internal const int AttributeMultiprocessorCount = 16;
    internal const int AttributeCapabilityMajor = 75;
    internal const int AttributeCapabilityMinor = 76;

    // What misuse of a handle alone returns; anything else that a release returns was left by work issued before.
    private const int InvalidValue = 1;
    private const int InvalidContext = 201;
    private const int InvalidHandle = 400;
    private const int HostMemoryNotRegistered = 713;

    /// <summary>Loads the driver's library and initialises it; cheap when called again. Any thread.</summary>
    /// <param name="library">Tests give another name.</param>
    /// <exception cref="CudaException">There is no driver, or it does not start.</exception>
    internal static void Load(string library = Library)
    {
        // Never freed: the driver cannot be unloaded.
        if (!NativeLibrary.TryLoad(library, out _))
        {
            throw new CudaException(
                "use the GPU", $"the driver's library {library} is not there",
                "install the NVIDIA driver ('nvidia-smi' must list a GPU); in a container, start it with its GPUs (--gpus all); or use --device cpu");
        }

        Check(cuInit(0), "start the driver");
    }

    /// <summary>Turns a failed call into an exception.</summary>
    /// <param name="result">What the call returned.</param>
    /// <param name="operation">What it was to do: "copy memory". A constant: nothing is allocated for a call that succeeds.</param>
    /// <exception cref="CudaException">The call failed, or reports that work issued before failed.</exception>
    internal static void Check(int result, string operation)
    {
        if (result != 0)
        {
            throw new CudaException(operation, result);
        }
    }

    /// <summary>
    /// Checks the release of a handle. Once work on the GPU has failed, every call returns that error, and it came out where the work was waited
    /// for: a release does not cover it up with another exception.
    /// </summary>
    /// <exception cref="CudaException">The handle is no good: a fault of the program.</exception>
    internal static void CheckRelease(int result, string operation)
    {
        if (result is InvalidValue or InvalidContext or InvalidHandle or HostMemoryNotRegistered)
        {
            throw new CudaException(operation, result);
        }
    }

    /// <summary>The driver's name and text of an error: "CUDA_ERROR_OUT_OF_MEMORY (out of memory)".</summary>
    internal static string Describe(int result)
    {
        byte* name = null;
        byte* text = null;
        if (cuGetErrorName(result, &name) != 0 || cuGetErrorString(result, &text) != 0)
        {
            return $"error {result}";
        }

        return $"{Marshal.PtrToStringUTF8((nint)name)} ({Marshal.PtrToStringUTF8((nint)text)})";
    }

    [LibraryImport(Library)]
    internal static partial int cuInit(uint flags);

    [LibraryImport(Library)]
    internal static partial int cuGetErrorName(int error, byte** name);

    [LibraryImport(Library)]
    internal static partial int cuGetErrorString(int error, byte** text);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGetCount(int* count);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGet(int* device, int ordinal);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)]
    internal static partial int cuDeviceGetAttribute(int* value, int attribute, int device);

    [LibraryImport(Library)]
    internal static partial int cuDevicePrimaryCtxRetain(nint* context, int device);

    [LibraryImport(Library)]
    internal static partial int cuDevicePrimaryCtxRelease_v2(int device);

    [LibraryImport(Library)]
    internal static partial int cuCtxSetCurrent(nint context);

    [LibraryImport(Library)]
    internal static partial int cuCtxSynchronize();

    [LibraryImport(Library)]
    internal static partial int cuMemGetInfo_v2(nuint* freeBytes, nuint* totalBytes);

    [LibraryImport(Library)]
    internal static partial int cuMemAlloc_v2(byte** address, nuint sizeBytes);

    [LibraryImport(Library)]
    internal static partial int cuMemFree_v2(byte* address);

    [LibraryImport(Library)]
    internal static partial int cuMemHostRegister_v2(byte* address, nuint sizeBytes, uint flags);

    [LibraryImport(Library)]
    internal static partial int cuMemHostUnregister(byte* address);

    [LibraryImport(Library)]
    internal static partial int cuMemcpyAsync(void* destination, void* source, nuint sizeBytes, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuMemsetD8Async(void* destination, byte value, nuint sizeBytes, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuStreamCreate(nint* stream, uint flags);

    [LibraryImport(Library)]
    internal static partial int cuStreamDestroy_v2(nint stream);

    [LibraryImport(Library)]
    internal static partial int cuStreamWaitEvent(nint stream, nint waitedFor, uint flags);

    [LibraryImport(Library)]
    internal static partial int cuStreamSynchronize(nint stream);

    [LibraryImport(Library)]
    internal static partial int cuEventCreate(nint* created, uint flags);

    [LibraryImport(Library)]
    internal static partial int cuEventDestroy_v2(nint destroyed);

    [LibraryImport(Library)]
    internal static partial int cuEventRecord(nint recorded, nint stream);

    [LibraryImport(Library)]
    internal static partial int cuEventQuery(nint queried);

    [LibraryImport(Library)]
    internal static partial int cuEventSynchronize(nint waitedFor);

    [LibraryImport(Library)]
    internal static partial int cuEventElapsedTime(float* milliseconds, nint start, nint end);

    [LibraryImport(Library)]
    internal static partial int cuModuleLoadData(nint* module, void* image);

    [LibraryImport(Library)]
    internal static partial int cuModuleUnload(nint module);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int cuModuleGetFunction(nint* function, nint module, string name);

    [LibraryImport(Library)]
    internal static partial int cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream, void** arguments, void** extra);
}
