using System.Diagnostics;
using System.Globalization;
using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Profiling.Cuda;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Storage.Benchmarks;
using static TorchSharp.torch;

namespace Offload.Engine.Profiling;

/// <summary>
/// Measures this machine for plans: arithmetic, copies, updates, memory, drives. Where the CPU computes, the "GPU" of the profile is CPU memory and what moves to
/// and from it are copies within it. libtorch is loaded before, for the device. One at a time in a process: it sets libtorch's threads.
/// </summary>
public static class HardwareMeasurement
{
    private const string CpuInfo = "/proc/cpuinfo";

    /// <summary>Measures one thing after the other. Blocks: some nine times <see cref="HardwareMeasurementOptions.SecondsEach"/>, fifteen times with a GPU, and what the drives take.</summary>
    /// <param name="options">What to measure.</param>
    /// <param name="onProgress">Gets a line before each stage; null: nobody is told.</param>
    /// <param name="onWarning">Gets a line for what falsifies a rate; null: nobody is told.</param>
    /// <param name="cancellation">Stops between samples; temporary files are removed.</param>
    /// <exception cref="UsageException">A folder for the drives is given twice or is none, their size is too small, or the working set is too large.</exception>
    /// <exception cref="OffloadException">The GPU is not there, has too little room, or failed.</exception>
    /// <exception cref="Storage.StorageException">A drive has too little room, or reported an error.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static HardwareMeasurementResult Run(
        HardwareMeasurementOptions options, Action<string>? onProgress = null, Action<string>? onWarning = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        long begin = Stopwatch.GetTimestamp();
        StorageBenchmarkPlan? storagePlan = options.NvmeFolders.Count == 0
            ? null
            : StorageBenchmarkPlan.Make(new StorageBenchmarkOptions { Folders = options.NvmeFolders, SizeBytes = options.StorageBytes });
        long availableBytes = CpuMemory.AvailableBytes();
        if (options.WorkingSetBytes > availableBytes / 2)
        {
            throw new UsageException(
                $"a working set of {options.WorkingSetBytes} bytes is too large: expected at most half of the {availableBytes} bytes of free memory", "the default, 512MiB, is several times most processors' caches");
        }

        CudaHost? gpu = options.Device == ComputeDevice.Cuda ? CudaHost.Get(options.GpuOrdinal) : null;
        double memoryGiB = Gibi(availableBytes);
        double gpuMemoryGiB = gpu is null ? memoryGiB : Gibi(gpu.FreeBytes);
        ComputeThreads.Set(options.Threads);
        var meter = new RateMeter(options.SecondsEach, cancellation);
        List<MeasuredRate> rates = [];
        if (gpu is not null)
        {
            CudaRates.Measure(gpu.Device, options, Measure, cancellation);
        }
        else
        {
            using (no_grad())
            {
                var compute = new ComputeProbe(meter, options, options.Type == ComputeType.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32);
                Measure("matrix products", compute.Matmul);
                Measure("attention", compute.AttentionForward);
                Measure("attention's backward", compute.AttentionBackward);
            }
        }

        using (var threads = new ParallelRanges(options.Threads))
        using (var memory = new MemoryProbe(meter, options, threads))
        {
            if (gpu is null)
            {
                Measure("copies", () => memory.Copy("gpu.h2dGBps", isBack: false));
                Measure("copies back", () => memory.Copy("gpu.d2hGBps", isBack: true));
                Measure("copies both ways", () => memory.CopyBothWays("gpu.duplexGBps"));
            }

            Measure("memory", () => memory.Bandwidth("cpu.memoryGBps"));
            Measure("AdamW", () => memory.Update("cpu.adamGParamsPerSecond"));
        }

        foreach (MeasuredRate rate in rates.Where(rate => rate.IsUnsteady))
        {
            onWarning?.Invoke(string.Create(
                CultureInfo.InvariantCulture, $"{rate.Name} is unsteady: a tenth of the samples below {rate.FirstDecile:G3}, a tenth above {rate.NinthDecile:G3} {rate.Unit}; something else may be at work here"));
        }

        StorageBenchmarkResult? storage = storagePlan is null ? null : StorageBenchmark.Run(storagePlan, onProgress, onWarning, cancellation);
        HardwareProfile profile = Profile(
            options, gpu?.Device.Name ?? ProcessorName(), rates.ToDictionary(rate => rate.Name, rate => rate.Median, StringComparer.Ordinal), gpuMemoryGiB, memoryGiB, storage?.Ssd);
        return new HardwareMeasurementResult(profile, rates, storage, Stopwatch.GetElapsedTime(begin).TotalSeconds);

        void Measure(string what, Func<MeasuredRate> rate)
        {
            onProgress?.Invoke($"measuring {what}");
            rates.Add(rate());
        }
    }

    /// <summary>In GiB, rounded down to tenths.</summary>
    private static double Gibi(long sizeBytes) => Math.Floor(sizeBytes / (double)(1 << 30) * 10) / 10;

    private static HardwareProfile Profile(
        HardwareMeasurementOptions options, string name, Dictionary<string, double> rates, double gpuMemoryGiB, double memoryGiB, SsdProfile? ssd)
    {
        double Rounded(double value) => double.Parse(value.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        double Of(string name) => Rounded(rates[name]);

        // An update moves the states both ways and reads a gradient. Where it shows more than a copy does, the memory has it.
        double updateGBps = Of("cpu.adamGParamsPerSecond") * (24 + (options.Type == ComputeType.BFloat16 ? 2 : 4));
        double memoryGBps = Rounded(Math.Max(Of("cpu.memoryGBps"), updateGBps));
        double h2d = Of("gpu.h2dGBps");
        double d2h = Of("gpu.d2hGBps");
        return new HardwareProfile
        {
            Name = options.Name ?? name,
            Gpu = new GpuProfile
            {
                MemoryGiB = gpuMemoryGiB,
                MatmulTflops = Of("gpu.matmulTflops"),
                H2dGBps = h2d,
                D2hGBps = d2h,

                // Noise may put it above what one direction reaches alone.
                DuplexGBps = Math.Min(Of("gpu.duplexGBps"), Math.Min(h2d, d2h)),
                MemoryGBps = options.Device == ComputeDevice.Cuda ? Of("gpu.memoryGBps") : memoryGBps,
                AttentionForwardTflops = Of("gpu.attentionForwardTflops"),
                AttentionBackwardTflops = Of("gpu.attentionBackwardTflops"),
            },
            Cpu = new CpuProfile { MemoryGiB = memoryGiB, AdamGParamsPerSecond = Of("cpu.adamGParamsPerSecond"), MemoryGBps = memoryGBps, Cores = Environment.ProcessorCount },
            Ssd = ssd,
        };
    }

    private static string ProcessorName()
    {
        string? line = File.Exists(CpuInfo) ? File.ReadLines(CpuInfo).FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? "this machine" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
