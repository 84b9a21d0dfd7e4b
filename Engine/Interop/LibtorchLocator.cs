using System.ComponentModel;
using System.Diagnostics;
using Offload.Profiles;

namespace Offload.Engine.Interop;

/// <summary>Finds the folder of libtorch's shared libraries, without loading anything. Thread-safe.</summary>
public static class LibtorchLocator
{
    /// <summary>The environment variable that names a libtorch folder.</summary>
    public const string EnvironmentVariable = "OFFLOAD_LIBTORCH";

    internal const string TorchCpu = "libtorch_cpu.so";
    internal const string TorchCuda = "libtorch_cuda.so";
    private const string LibTorchSharp = "libLibTorchSharp.so";

    private const string NuGetPackage = "libtorch-cpu-linux-x64";
    private const string NuGetVersion = "2.10.0";

    // find_spec finds the package without importing it: importing torch takes seconds, finding it takes 50 ms.
    private const string PythonProgram =
        "import importlib.util, os; s = importlib.util.find_spec('torch'); print(os.path.join(os.path.dirname(s.origin), 'lib') if s and s.origin else '')";

    private static readonly TimeSpan PythonTimeLimit = TimeSpan.FromSeconds(20);

    private static readonly string[] Required = ["libc10.so", TorchCpu, "libtorch.so"];

    /// <summary>
    /// Finds libtorch: the folder given, <c>OFFLOAD_LIBTORCH</c>, beside the application, the NuGet package cache, and last a
    /// Python install.
    /// </summary>
    /// <param name="folder">The folder of <c>--libtorch</c>, or null if the option is not given.</param>
    /// <exception cref="UsageException">The folder given, or that of <c>OFFLOAD_LIBTORCH</c>, lacks one of the libraries.</exception>
    /// <exception cref="NativeLibraryException">There is none in any of the places.</exception>
    public static LibtorchChoice Locate(string? folder = null)
    {
        if (folder is not null)
        {
            return Named(folder, "--libtorch", LibtorchOrigin.Option);
        }

        string? variable = Environment.GetEnvironmentVariable(EnvironmentVariable);
        if (!string.IsNullOrEmpty(variable))
        {
            return Named(variable, EnvironmentVariable, LibtorchOrigin.Environment);
        }

        return Automatic()
            ?? throw new NativeLibraryException(
                "libtorch",
                "find the library",
                "it is not beside the application, in the NuGet package cache or in python3's torch package",
                "give its folder with --libtorch DIR or OFFLOAD_LIBTORCH; 'pip install torch' makes one that is found by itself");
    }

    /// <summary>Asks <c>python3</c> where its <c>torch</c> package keeps libtorch. May block for as long as Python takes to start.</summary>
    /// <returns>The choice, or null if there is no Python, no such package, or no libtorch in it.</returns>
    public static LibtorchChoice? LocatePython()
    {
        string answer;
        try
        {
            var start = new ProcessStartInfo("python3", ["-c", PythonProgram]) { RedirectStandardOutput = true, RedirectStandardError = true };
            using Process process = Process.Start(start)!;
            // Nothing is read from stderr: a traceback of a broken install is far smaller than the pipe's 64 KiB.
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(PythonTimeLimit))
            {
                process.Kill(entireProcessTree: true);
                return null;
            }

            answer = output.GetAwaiter().GetResult().Trim();
        }
        catch (Win32Exception)
        {
            // No python3 on the path.
            return null;
        }

        return answer.Length > 0 && Missing(answer).Length == 0 ? new LibtorchChoice(answer, LibtorchOrigin.Python) : null;
    }

    /// <summary>The library through which TorchSharp calls libtorch; null if the application lacks it.</summary>
    public static string? FindBridge() => ApplicationFolders().Select(folder => Path.Combine(folder, LibTorchSharp)).FirstOrDefault(File.Exists);

    /// <summary>Folders that may hold the application's native libraries, most specific first.</summary>
    internal static IEnumerable<string> ApplicationFolders() =>
        [Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"), .. HostProbingFolders()];

    /// <summary>Folders in which the .NET host looks for a native library named without a path, in its order.</summary>
    internal static IEnumerable<string> HostProbingFolders()
    {
        string search = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return [.. search.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries), AppContext.BaseDirectory];
    }

    private static LibtorchChoice Named(string folder, string by, LibtorchOrigin origin)
    {
        string full = Path.GetFullPath(folder);
        // The parent is what people name: "libtorch" of the unpacked archive, "torch" of a Python install.
        string inner = Path.Combine(full, "lib");
        if (Missing(full).Length > 0 && Missing(inner).Length == 0)
        {
            return new LibtorchChoice(inner, origin);
        }

        string[] missing = Missing(full);
        if (missing.Length > 0)
        {
            string problem = Directory.Exists(full) ? $"it has no {string.Join(", ", missing)}" : "there is no such folder";
            throw new UsageException($"{by} {folder}: expected a folder with libtorch's libraries, but {problem}", "name the folder that holds libtorch_cpu.so, such as .../site-packages/torch/lib");
        }

        return new LibtorchChoice(full, origin);
    }

    private static LibtorchChoice? Automatic()
    {
        string? application = ApplicationFolders().FirstOrDefault(candidate => Missing(candidate).Length == 0);
        if (application is not null)
        {
            return new LibtorchChoice(Path.GetFullPath(application), LibtorchOrigin.Application);
        }

        string cache = NuGetFolder();
        return Missing(cache).Length == 0 ? new LibtorchChoice(cache, LibtorchOrigin.NuGetCache) : LocatePython();
    }

    private static string NuGetFolder()
    {
        string? packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES");
        if (string.IsNullOrEmpty(packages))
        {
            packages = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        }

        return Path.GetFullPath(Path.Combine(packages, NuGetPackage, NuGetVersion, "runtimes", "linux-x64", "native"));
    }

    private static string[] Missing(string folder) => [.. Required.Where(name => !File.Exists(Path.Combine(folder, name)))];
}
