using System.Globalization;

namespace Offload.Benchmarks;

/// <summary>What the process holds in memory, from the kernel's accounts.</summary>
internal static class ProcessMemory
{
    /// <summary>Resident bytes.</summary>
    public static long ResidentBytes() => Field("VmRSS:");

    /// <summary>Growth of resident memory a call, between the first call and the last of so many.</summary>
    public static long Growth(int numCalls, Action call)
    {
        Libc.ReturnFreeMemory();
        call();
        long before = ResidentBytes();
        for (int i = 1; i < numCalls; i++)
        {
            call();
        }

        return (ResidentBytes() - before) / (numCalls - 1);
    }

    /// <summary>The most resident memory during an action, above what there was before it.</summary>
    public static long Peak(Action action)
    {
        Libc.ReturnFreeMemory();
        // 5: the high-water mark starts anew (proc(5)).
        File.WriteAllText("/proc/self/clear_refs", "5");
        long before = ResidentBytes();
        action();
        return Field("VmHWM:") - before;
    }

    private static long Field(string name)
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
    }
}
