using System.Runtime.InteropServices;
using Offload.Profiles;
using TorchSharp;

namespace Offload.Engine.Interop;

/// <summary>
/// Loads libtorch from a chosen folder, once a process, before the first TorchSharp call. A program that never calls it gets
/// TorchSharp's own choice: the libtorch beside the application. Thread-safe.
/// </summary>
public static class TorchRuntime
{
    private const string WrongLibtorchHint = "use libtorch 2.10 or newer of the same CPU architecture; 'offload doctor' tells what is there";

    private static readonly Lock Gate = new();

    private static LoadedTorch? _loaded;

    /// <summary>The oldest libtorch that TorchSharp 0.107 links against. Newer ones are taken as long as no symbol is missing.</summary>
    public static Version OldestVersion { get; } = new(2, 10, 0);

    /// <summary>The libtorch of this process; loads what <see cref="LibtorchLocator.Locate"/> finds if none is loaded yet.</summary>
    /// <exception cref="OffloadException">As <see cref="Load"/> and <see cref="LibtorchLocator.Locate"/>.</exception>
    public static LoadedTorch Current
    {
        get
        {
            lock (Gate)
            {
                return _loaded ??= LoadLocked(LibtorchLocator.Locate());
            }
        }
    }

    /// <summary>
    /// Loads libtorch and LibTorchSharp and gets TorchSharp ready for the device. Called again with the same libtorch it only
    /// looks after the device.
    /// </summary>
    /// <param name="choice">From <see cref="LibtorchLocator.Locate"/>.</param>
    /// <param name="device"><see cref="DeviceType.CPU"/> or <see cref="DeviceType.CUDA"/>.</param>
    /// <exception cref="NativeLibraryException">
    /// A library is missing, too old or does not fit; another libtorch is loaded already; or there is no usable device of that kind.
    /// </exception>
    public static LoadedTorch Load(LibtorchChoice choice, DeviceType device = DeviceType.CPU)
    {
        ArgumentNullException.ThrowIfNull(choice);
        lock (Gate)
        {
            if (_loaded is null)
            {
                _loaded = LoadLocked(choice);
            }
            else if (_loaded.Choice.Folder != choice.Folder)
            {
                RefuseOther(choice);
            }

            InitializeDevice(_loaded, device);
            return _loaded;
        }
    }

    private static LoadedTorch LoadLocked(LibtorchChoice choice)
    {
        RefuseOther(choice);
        string bridge = LibtorchLocator.FindBridge()
            ?? throw new NativeLibraryException("libLibTorchSharp.so", "find the library", "it is not beside the application", "install the application again: a part of it is missing");

        OpenMPSettings.Apply();
        LoadFrom("libc10.so");
        IntPtr cpu = LoadFrom(LibtorchLocator.TorchCpu);
        Version version = ReadVersion(cpu, choice);
        IntPtr cuda = IntPtr.Zero;
        if (choice.HasCuda)
        {
            LoadFrom("libc10_cuda.so");
            cuda = LoadFrom(LibtorchLocator.TorchCuda);
        }

        LoadFrom("libtorch.so");
        AnswerForBundled(LibtorchLocator.TorchCpu, cpu);
        AnswerForBundled(LibtorchLocator.TorchCuda, cuda);
        // RTLD_NOW binds every symbol that LibTorchSharp wants of libtorch: one that is missing is told here, not in mid-training.
        DynamicLoader.LoadGlobal(bridge, $"libtorch {version} in {choice.Folder} may not fit; {WrongLibtorchHint}");
        return new LoadedTorch(choice, version, cpu, cuda);

        IntPtr LoadFrom(string name) => DynamicLoader.LoadGlobal(Path.Combine(choice.Folder, name), WrongLibtorchHint);
    }

    // Two libtorch in one process register every operator twice and abort it.
    private static void RefuseOther(LibtorchChoice choice)
    {
        string path = Path.Combine(choice.Folder, LibtorchLocator.TorchCpu);
        if (DynamicLoader.MappedFiles(LibtorchLocator.TorchCpu) is [string other, ..] && !DynamicLoader.IsLoaded(path))
        {
            throw new NativeLibraryException(path, "load the library", $"this process has loaded {other} already", "choose libtorch before the first tensor is made");
        }
    }

    private static unsafe Version ReadVersion(IntPtr torchCpu, LibtorchChoice choice)
    {
        string path = Path.Combine(choice.Folder, LibtorchLocator.TorchCpu);
        if (!NativeLibrary.TryGetExport(torchCpu, "aoti_torch_abi_version", out IntPtr function))
        {
            throw new NativeLibraryException(path, "use this libtorch", $"expected version {OldestVersion} or newer, found one without a version function", WrongLibtorchHint);
        }

        // major, minor, patch in the three highest bytes (torch/headeronly/version.h, TORCH_ABI_VERSION).
        ulong packed = ((delegate* unmanaged<ulong>)function)();
        var version = new Version((int)(packed >> 56), (int)(packed >> 48 & 0xff), (int)(packed >> 40 & 0xff));
        return version >= OldestVersion
            ? version
            : throw new NativeLibraryException(path, "use this libtorch", $"expected version {OldestVersion} or newer, found {version}", WrongLibtorchHint);
    }

    // TorchSharp's static constructor opens "torch_cpu" and "torch_cuda" by name, and the host resolves a name to the file beside
    // the application if there is one: a second libtorch whenever another folder was chosen, which aborts the process. There is
    // no switch for it, so the chosen library answers to that file's path too.
    private static void AnswerForBundled(string name, IntPtr chosen)
    {
        string? bundled = LibtorchLocator.HostProbingFolders().Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        if (chosen == IntPtr.Zero || bundled is null || DynamicLoader.IsLoaded(bundled))
        {
            return;
        }

        DynamicLoader.Rename(chosen, bundled);
        if (!DynamicLoader.IsLoaded(bundled))
        {
            throw new NativeLibraryException(bundled, "use another libtorch", "this C library's loader does not let one library stand in for another", "remove libtorch from the application's folder");
        }
    }

    private static void InitializeDevice(LoadedTorch loaded, DeviceType device)
    {
        if (device == DeviceType.CUDA && loaded.TorchCuda == IntPtr.Zero)
        {
            throw new NativeLibraryException(loaded.Choice.Folder, "use CUDA", $"this libtorch has no {LibtorchLocator.TorchCuda}", "give a libtorch with CUDA with --libtorch DIR, such as .../site-packages/torch/lib, or use --device cpu");
        }

        try
        {
            torch.InitializeDeviceType(device);
        }
        catch (Exception error) when (error is InvalidOperationException or NotSupportedException or TypeInitializationException or ExternalException)
        {
            string problem = (error.InnerException ?? error).Message.Split('\n')[0].Trim();
            throw new NativeLibraryException(loaded.Choice.Folder, $"use the device {device}", problem, "'offload doctor' tells what the driver reports", error);
        }
    }
}
