using System.Globalization;
using Offload.Storage.Devices;

namespace Offload.Storage.Benchmarks;

/// <summary>What the kernel allows for I/O.</summary>
/// <param name="Release">Its version: "6.12.3".</param>
/// <param name="IoUringProblem">Why there is no io_uring, in one line; null: there is.</param>
/// <param name="LockedMemoryBytes">Memory that this process may lock, and so register with an io_uring; null: without limit, or not told.</param>
public sealed record KernelFacts(string Release, string? IoUringProblem, long? LockedMemoryBytes)
{
    private const int CapabilityLockMemory = 14;

    /// <summary>Asks for them; never fails.</summary>
    public static KernelFacts Read() => new(
        SystemText.Read("/proc/sys/kernel/osrelease") ?? Environment.OSVersion.Version.ToString(),
        DirectFileDevice.IoUringProblem(),
        HasCapability(CapabilityLockMemory) ? null : LockedMemory(SystemText.Read("/proc/self/limits")));

    /// <summary>The soft limit; null if there is none.</summary>
    /// <param name="limits">Contents of /proc/self/limits.</param>
    internal static long? LockedMemory(string? limits)
    {
        const string Name = "Max locked memory";
        string? line = limits?.Split('\n').FirstOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal));
        string? soft = line?[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : null;
    }

    private static bool HasCapability(int capability)
    {
        const string Field = "CapEff:";
        string? line = SystemText.Read("/proc/self/status")?.Split('\n').FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
        return ulong.TryParse(line?[Field.Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong mask) && (mask >> capability & 1) != 0;
    }
}
