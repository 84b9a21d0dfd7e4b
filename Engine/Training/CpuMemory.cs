using System.Globalization;

namespace Offload.Engine.Training;

/// <summary>What the system says of memory.</summary>
internal static class CpuMemory
{
    /// <summary>Memory that can be had without swapping: the least of the system's available memory and what the control group has left.</summary>
    public static long AvailableBytes() => Math.Min(
        ReadKiB("/proc/meminfo", "MemAvailable:") ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, GroupBytes() ?? long.MaxValue);

    /// <summary>Highest resident memory of this process.</summary>
    public static long PeakBytes() => ReadKiB("/proc/self/status", "VmHWM:") ?? Environment.WorkingSet;

    /// <summary>
    /// What the control group of the process, and those around it, have left, file cache that can go included; null: no limit. Not the collector's
    /// figure, which in a container is three quarters of the limit. Either version of control groups.
    /// </summary>
    private static long? GroupBytes() => Least(
        Least(null, "/sys/fs/cgroup", "0::", "memory.max", "memory.current", "inactive_file "),
        "/sys/fs/cgroup/memory", ":memory:", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");

    private static long? Least(long? least, string root, string controller, string limitFile, string usedFile, string cachedField)
    {
        const string Self = "/proc/self/cgroup";
        string? line = File.Exists(Self) ? File.ReadLines(Self).FirstOrDefault(text => text.Contains(controller, StringComparison.Ordinal)) : null;
        if (line is null)
        {
            return least;
        }

        // In a container the group may be seen at the root.
        string group = line[(line.LastIndexOf(':') + 1)..];
        for (string? path = Path.Join(root, group); path is not null && path.StartsWith(root, StringComparison.Ordinal); path = Path.GetDirectoryName(path))
        {
            if (ReadNumber(Path.Join(path, limitFile)) is { } limit && ReadNumber(Path.Join(path, usedFile)) is { } used)
            {
                long cached = ReadField(Path.Join(path, "memory.stat"), cachedField) ?? 0;
                least = Math.Min(least ?? long.MaxValue, Math.Max(0, limit - used + cached));
            }
        }

        return least;
    }

    /// <summary>Null: no such file, or it says "max".</summary>
    private static long? ReadNumber(string path) =>
        File.Exists(path) && long.TryParse(File.ReadAllText(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private static long? ReadField(string path, string name) =>
        File.Exists(path) && File.ReadLines(path).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
            ? long.Parse(line[name.Length..], CultureInfo.InvariantCulture)
            : null;

    private static long? ReadKiB(string path, string name)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        foreach (string line in File.ReadLines(path))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
            {
                string number = line[name.Length..].Trim().Split(' ')[0];
                return long.Parse(number, CultureInfo.InvariantCulture) * 1024;
            }
        }

        return null;
    }
}
