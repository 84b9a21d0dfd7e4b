using Offload.Engine.Interop;
using Offload.Profiles;
using TorchSharp;

namespace Offload.Cli.Doctor;

/// <summary>libtorch: found, loaded, and an operator run.</summary>
internal static class LibtorchChecks
{
    private const string Bridge = "libLibTorchSharp.so";

    // The iostream marker that TorchSharp's library asks for and never uses; the build makes it weak.
    private const string MarkerVersion = "GLIBCXX_3.4.32";

    internal static IEnumerable<Check> Run(CommandContext context)
    {
        yield return Check.Try(Bridge, BridgeCheck, isEssential: true);

        LibtorchChoice? choice = null;
        yield return Check.Try(
            "libtorch",
            () =>
            {
                try
                {
                    choice = LibtorchLocator.Locate(context.Get(CommonOptions.Libtorch));
                    return LoadAndRun(choice);
                }
                catch (OffloadException error)
                {
                    return Check.Missing("libtorch", error.Message, error.Hint) with { IsEssential = true };
                }
            },
            isEssential: true);
        yield return Check.Try("libtorch with CUDA", () => CudaLibraries(choice));
    }

    private static Check LoadAndRun(LibtorchChoice choice)
    {
        LoadedTorch loaded = TorchRuntime.Load(choice);
        using DisposeScope scope = torch.NewDisposeScope();
        // [[0, 1, 2], [3, 4, 5]] times its transpose: the sum is 0^2+1+4 + 2*(0+4+10) + 9+16+25 = 83.
        torch.Tensor a = torch.arange(6, torch.float32).reshape(2, 3);
        float sum = a.mm(a.t()).sum().item<float>();
        string found = $"{loaded.Version} in {choice.Folder} ({Origin(choice)}), {torch.get_num_threads()} threads";
        return sum == 83f
            ? Check.Ok("libtorch", found)
            : Check.Missing("libtorch", $"{found}: a matrix product sums to {sum}, expected 83", "use another libtorch with --libtorch DIR") with { IsEssential = true };
    }

    private static Check CudaLibraries(LibtorchChoice? choice)
    {
        if (choice is { HasCuda: true })
        {
            return Check.Ok("libtorch with CUDA", choice.Folder);
        }

        return choice?.Origin != LibtorchOrigin.Python && LibtorchLocator.LocatePython() is { HasCuda: true } python
            ? Check.Warning("libtorch with CUDA", $"in {python.Folder}, not in use", $"add --libtorch {python.Folder}")
            : Check.Missing("libtorch with CUDA", "not found", "for --device cuda: 'pip install torch', then --libtorch .../site-packages/torch/lib");
    }

    private static Check BridgeCheck()
    {
        string? path = LibtorchLocator.FindBridge();
        if (path is null)
        {
            return Check.Missing(Bridge, "not beside the application", "install the application again: a part of it is missing") with { IsEssential = true };
        }

        // .NET itself needs libstdc++, so the one that libtorch will get is mapped already.
        string? runtime = File.ReadLines("/proc/self/maps").FirstOrDefault(line => line.Contains("/libstdc++.so", StringComparison.Ordinal)) is { } line
            ? line[line.IndexOf('/', StringComparison.Ordinal)..]
            : null;
        int? highest = runtime is null ? null : SymbolVersions.HighestGlibcxx(runtime);
        string system = highest is null ? "libstdc++ of unknown version" : $"libstdc++ has up to GLIBCXX_3.4.{highest}";
        bool isStrict = SymbolVersions.Needed(path).Any(version => version.Name == MarkerVersion && !version.IsWeak);
        return isStrict && highest < 32
            ? Check.Missing(Bridge, $"asks for {MarkerVersion}, {system}", "build the application from its sources, which mends the library, or install gcc 13's libstdc++6") with { IsEssential = true }
            : Check.Ok(Bridge, $"{(isStrict ? $"asks for {MarkerVersion}" : $"does without {MarkerVersion}")}, {system}");
    }

    private static string Origin(LibtorchChoice choice) => choice.Origin switch
    {
        LibtorchOrigin.Option => "--libtorch",
        LibtorchOrigin.Environment => LibtorchLocator.EnvironmentVariable,
        LibtorchOrigin.Application => "beside the application",
        LibtorchOrigin.NuGetCache => "NuGet package cache",
        _ => "python3",
    };
}
