using Offload.Profiles.Hardware;

namespace Offload.Engine.Training;

/// <summary>What the planner goes by where the CPU computes and nobody has measured it. Stateless.</summary>
internal static class CpuDevice
{
    private const double Gibi = 1L << 30;

    /// <summary>
    /// A profile in which only the ratios matter: it decides between plans, and what it predicts is told as a guess. 50 GFLOP/s a core are a
    /// common AVX2 core's in float32; copies within a memory run at some 8 GB/s a thread; 0.4 G parameters/s are AdamW's on one core; the drive is a
    /// consumer's behind its cache (docs/log.md, docs/hardware-profiles.md).
    /// </summary>
    /// <param name="gpuBytes">Budget of the GPU tier.</param>
    /// <param name="cpuBytes">Budget of the CPU tier.</param>
    /// <param name="hasDrives">Whether states may go to drives.</param>
    public static HardwareProfile Profile(long gpuBytes, long cpuBytes, bool hasDrives)
    {
        int cores = Environment.ProcessorCount;
        return new HardwareProfile
        {
            Name = "this CPU, not measured",
            Gpu = new GpuProfile
            {
                MemoryGiB = Math.Max(gpuBytes / Gibi, 0.001),
                MatmulTflops = 0.05 * cores,
                H2dGBps = 8,
                D2hGBps = 8,
                DuplexGBps = 6,
                MemoryGBps = 20,
            },
            Cpu = new CpuProfile
            {
                MemoryGiB = Math.Max(cpuBytes / Gibi, 0.001),
                AdamGParamsPerSecond = Math.Min(0.4 * cores, 1),
                MemoryGBps = 20,
                Cores = cores,
            },
            Ssd = hasDrives ? new SsdProfile { ReadGBps = 3, WriteGBps = 2, MixedReadGBps = 1.5, MixedWriteGBps = 1.2 } : null,
        };
    }
}
