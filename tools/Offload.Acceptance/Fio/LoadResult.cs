namespace Offload.Acceptance.Fio;

/// <summary>What a load moved, in what time, at what cost of processors.</summary>
/// <param name="Bytes">Read and written.</param>
/// <param name="Seconds">From the first submission to the last completion.</param>
/// <param name="CpuSeconds">User and system.</param>
internal readonly record struct LoadResult(long Bytes, double Seconds, double CpuSeconds)
{
    public double GBPerSecond => Bytes / Seconds / 1e9;

    public double CpuSecondsPerGB => CpuSeconds / Bytes * 1e9;
}
