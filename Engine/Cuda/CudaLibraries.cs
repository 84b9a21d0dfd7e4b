using System.Runtime.InteropServices;
using Offload.Engine.Interop;

namespace Offload.Engine.Cuda;

/// <summary>
/// Finds and loads the libraries of the CUDA toolkit that every libtorch with CUDA brings: cublasLt and NVRTC. What is loaded stays so until
/// the process ends. Any thread.
/// </summary>
internal static class CudaLibraries
{
    /// <summary>Versions of CUDA whose functions are those called here, newest first.</summary>
    private static readonly int[] Versions = [13, 12];

    /// <summary>Loads a library: the one that the process has already, else that of libtorch, else the system's.</summary>
    /// <param name="name">Without prefix and version: "cublasLt".</param>
    /// <returns>Its handle, for <see cref="NativeLibrary.GetExport"/>.</returns>
    /// <exception cref="CudaException">There is none that loads.</exception>
    public static nint Load(string name) => Load(name, TorchRuntime.Current.Choice.Folder);

    /// <summary>Where a library may be, best first: files of libtorch's folder and of the Python packages beside it, then names that the system resolves.</summary>
    /// <param name="name">Without prefix and version.</param>
    /// <param name="torchFolder">The folder of libtorch's libraries.</param>
    /// <param name="versions">Versions wanted, best first.</param>
    internal static IReadOnlyList<string> Candidates(string name, string torchFolder, IReadOnlyList<int> versions)
    {
        string[] folders = [torchFolder, .. PackageFolders(torchFolder)];
        return
        [
            .. versions.SelectMany(version => folders.SelectMany(folder => FilesOf(folder, name, version))),
            .. versions.Select(version => SharedName(name, version)),
        ];
    }

    internal static nint Load(string name, string torchFolder)
    {
        foreach (int version in Versions)
        {
            if (DynamicLoader.FindLoaded(SharedName(name, version)) is nint loaded && loaded != 0)
            {
                return loaded;
            }
        }

        // A driver takes kernels of its own CUDA or older: the version that this libtorch was made with is the one that works here.
        int[] versions = [.. Versions.OrderByDescending(version => DynamicLoader.FindLoaded(SharedName("cudart", version)) != 0)];
        var problems = new List<string>();
        foreach (string candidate in Candidates(name, torchFolder, versions))
        {
            bool isFile = Path.IsPathRooted(candidate);
            try
            {
                LoadCompanions(candidate, name);
                return NativeLibrary.Load(candidate);
            }
            catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
            {
                if (isFile)
                {
                    problems.Add($"{candidate} does not load: {error.Message.ReplaceLineEndings(" ").Trim()}");
                }
            }
        }

        string wanted = string.Join(" or ", Versions.Select(version => SharedName(name, version)));
        throw new CudaException(
            $"load {name}",
            problems.Count > 0 ? string.Join("; ", problems) : $"expected {wanted} in {torchFolder}, in the Python packages beside it (nvidia/*/lib) or among the system's libraries, found none",
            "use the libtorch of 'pip install torch', which brings them, or put the CUDA toolkit's lib64 folder on LD_LIBRARY_PATH");
    }

    private static string SharedName(string name, int version) => $"lib{name}.so.{version}";

    /// <summary>Python's layout: site-packages/torch/lib, and site-packages/nvidia/{cu13,cublas,cuda_nvrtc,...}/lib.</summary>
    private static IEnumerable<string> PackageFolders(string torchFolder)
    {
        string packages = Path.GetFullPath(Path.Join(torchFolder, "..", "..", "nvidia"));
        return Directory.Exists(packages)
            ? Directory.EnumerateDirectories(packages).Order(StringComparer.Ordinal).Select(package => Path.Join(package, "lib")).Where(Directory.Exists)
            : [];
    }

    /// <summary>By its own name, or by that of archives that add a hash: libnvrtc-08c4863f.so.12.</summary>
    private static IEnumerable<string> FilesOf(string folder, string name, int version)
    {
        string plain = Path.Join(folder, SharedName(name, version));
        if (File.Exists(plain))
        {
            return [plain];
        }

        return Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, $"lib{name}-*.so.{version}")
                .Where(file => !Path.GetFileName(file).Contains("builtins", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
            : [];
    }

    /// <summary>NVRTC opens its builtins by name as it compiles; loaded before, they are found wherever they are.</summary>
    private static void LoadCompanions(string candidate, string name)
    {
        if (Path.GetDirectoryName(candidate) is { Length: > 0 } folder)
        {
            foreach (string companion in Directory.EnumerateFiles(folder, $"lib{name}-builtins.so.*"))
            {
                NativeLibrary.TryLoad(companion, out _);
            }
        }
    }
}
