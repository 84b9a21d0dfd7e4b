using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Offload.Cli.Doctor;

/// <summary>Operating system, .NET, processor and memory.</summary>
internal static class SystemChecks
{
    // A pinned ring of staging slots is a few hundred MiB; below this, registering it fails where the limit is enforced.
    private const long EnoughLockedMemoryBytes = 1L << 30;

    internal static IEnumerable<Check> Run()
    {
        yield return Check.Try("operating system", OperatingSystemCheck, isEssential: true);
        yield return Check.Ok(".NET", $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}");
        yield return Check.Try("processor", Processor);
        yield return Check.Try("SIMD", Simd);
        yield return Check.Try("memory", Memory);
        yield return Check.Try("locked memory", LockedMemory);
    }

    private static Check OperatingSystemCheck()
    {
        string name = $"{RuntimeInformation.OSDescription}, kernel {Environment.OSVersion.Version}";
        return OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64
            ? Check.Ok("operating system", name)
            : Check.Missing("operating system", $"{name}, {RuntimeInformation.ProcessArchitecture}", "use Linux on x86-64: the native libraries are built for it") with { IsEssential = true };
    }

    private static Check Processor()
    {
        string model = ProcFile.Value("/proc/cpuinfo", "model name") ?? "unknown processor";
        return Check.Ok("processor", $"{model}, {Environment.ProcessorCount} threads usable");
    }

    private static Check Simd()
    {
        string[] flags = (ProcFile.Value("/proc/cpuinfo", "flags") ?? "").Split(' ');
        string[] names =
        [
            .. (Avx2.IsSupported ? ["AVX2"] : Array.Empty<string>()),
            .. (Avx512F.IsSupported ? ["AVX-512"] : Array.Empty<string>()),
            .. (flags.Contains("avx512_bf16") ? ["AVX-512 BF16"] : Array.Empty<string>()),
            .. (flags.Contains("amx_bf16") ? ["AMX BF16"] : Array.Empty<string>()),
        ];
        string found = $"vectors of {Width()} bits ({(names.Length > 0 ? string.Join(", ", names) : "no AVX2")})";
        return Vector256.IsHardwareAccelerated
            ? Check.Ok("SIMD", found)
            : Check.Warning("SIMD", found, "optimizer updates on the CPU will be several times slower; run on a processor with AVX2 or AVX-512");

        static int Width() => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 64;
    }

    private static Check Memory()
    {
        long usableBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        string found = $"{Sizes.Format(usableBytes)} usable";
        if (ProcFile.Value("/proc/meminfo", "MemAvailable") is { } available)
        {
            found += $", {Sizes.Format(long.Parse(available.Split(' ')[0]) * 1024)} free now";
        }

        return usableBytes >= 1L << 30 ? Check.Ok("memory", found) : Check.Warning("memory", found, "a step of a small model takes about 1 GiB; raise the container's limit");
    }

    private static Check LockedMemory()
    {
        if (LinuxCalls.TryGetLockedMemoryLimit(out long? limit) is { } problem)
        {
            return Check.Warning("locked memory", $"limit unknown: {problem}");
        }

        if (limit is not { } limitBytes)
        {
            return Check.Ok("locked memory", "unlimited");
        }

        string found = $"limit {Sizes.Format(limitBytes)}";
        return limitBytes >= EnoughLockedMemoryBytes
            ? Check.Ok("locked memory", found)
            : Check.Warning("locked memory", found, "raise it for pinned memory and io_uring buffers: 'ulimit -l unlimited', or memlock in /etc/security/limits.conf");
    }
}
