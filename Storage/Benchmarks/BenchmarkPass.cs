namespace Offload.Storage.Benchmarks;

/// <summary>What one pass moved, and in what time.</summary>
/// <param name="Seconds">Wall time.</param>
/// <param name="CpuSeconds">CPU time of the whole process, kernel included.</param>
/// <param name="BytesRead">Bytes read.</param>
/// <param name="BytesWritten">Bytes written.</param>
public readonly record struct BenchmarkPass(double Seconds, double CpuSeconds, long BytesRead, long BytesWritten)
{
    /// <summary>10^9 bytes a second, read.</summary>
    public double ReadGBps => BytesRead / Seconds / 1e9;

    /// <summary>10^9 bytes a second, written.</summary>
    public double WriteGBps => BytesWritten / Seconds / 1e9;

    /// <summary>10^9 bytes a second, both directions.</summary>
    public double TotalGBps => (BytesRead + BytesWritten) / Seconds / 1e9;

    /// <summary>CPU time for 10^9 bytes, both directions.</summary>
    public double CpuSecondsPerGB => CpuSeconds * 1e9 / (BytesRead + BytesWritten);
}
