using Offload.Engine.Cuda;
using Offload.Profiles.Hardware;

namespace Offload.Engine.Training;

/// <summary>What the planner goes by where a GPU computes and nobody has measured it. Stateless.</summary>
internal static class GpuGuess
{
    private const double Gibi = 1L << 30;

    /// <summary>
    /// A profile in which only the ratios matter: it decides between plans, and what it predicts is told as a guess. Rates of bf16 products a
    /// multiprocessor, about 80 % of what data sheets give for the large cards: 5 TFLOP/s since Hopper (9.0), 2.3 on Ampere's A100 (8.0), 1.0 on
    /// consumer cards. A bus of generation 4 or 5, and 0.3 G parameters/s of AdamW a core up to what 8 channels carry.
    /// </summary>
    public static HardwareProfile Profile(CudaHost gpu, long cpuBytes, bool hasDrives)
    {
        bool isDataCenter = gpu.Device.CapabilityMajor is 9 or 10 || gpu.Device is { CapabilityMajor: 8, CapabilityMinor: 0 };
        double teraflopsEach = gpu.Device.CapabilityMajor is 9 or 10 ? 5.0 : isDataCenter ? 2.3 : 1.0;
        double matmulTflops = teraflopsEach * gpu.Device.NumMultiprocessors;
        double bus = gpu.Device.CapabilityMajor >= 9 ? 50 : 24;
        int cores = Environment.ProcessorCount;
        return new HardwareProfile
        {
            Name = $"{gpu.Device.Name}, not measured",
            Gpu = new GpuProfile
            {
                MemoryGiB = gpu.Device.Memory().TotalBytes / Gibi,
                MatmulTflops = matmulTflops,
                H2dGBps = bus,
                D2hGBps = bus,
                DuplexGBps = 0.8 * bus,
                MemoryGBps = isDataCenter ? 2500 : 800,
                AttentionForwardTflops = 0.6 * matmulTflops,
                AttentionBackwardTflops = 0.3 * matmulTflops,
            },
            Cpu = new CpuProfile
            {
                MemoryGiB = Math.Max(cpuBytes / Gibi, 0.001),
                AdamGParamsPerSecond = Math.Min(0.3 * cores, 5),
                MemoryGBps = Math.Min(9.0 * cores, 150),
                Cores = cores,
            },
            Ssd = hasDrives ? new SsdProfile { ReadGBps = 3, WriteGBps = 2, MixedReadGBps = 1.5, MixedWriteGBps = 1.2 } : null,
        };
    }
}
