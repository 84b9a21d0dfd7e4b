using System.Globalization;

namespace Offload.Engine.Training;

/// <summary>What the system says of memory.</summary>
internal static class CpuMemory
{
    /// <summary>Memory that can be had without swapping: the least of the system's available memory and the control group's limit.</summary>
    public static long AvailableBytes() => Math.Min(
        ReadKiB("/proc/meminfo", "MemAvailable:") ?? long.MaxValue, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>Highest resident memory of this process.</summary>
    public static long PeakBytes() => ReadKiB("/proc/self/status", "VmHWM:") ?? Environment.WorkingSet;

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
