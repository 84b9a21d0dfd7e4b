using Offload.Engine.Swapping;
using Offload.Profiles.Hardware;
using Offload.Storage.Devices;

namespace Offload.Acceptance.Swap;

/// <summary>Hardware that a run is slowed down to: every lane is as fast as this says, and the simulator is told nothing else.</summary>
internal sealed record DeviceRates
{
    private const double Giga = 1e9;
    private const double Tera = 1e12;

    public required double FlopsPerSecond { get; init; }

    /// <summary>Memory of the GPU.</summary>
    public required double GpuBytesPerSecond { get; init; }

    public required double H2dBytesPerSecond { get; init; }

    public required double D2hBytesPerSecond { get; init; }

    public required double ReadBytesPerSecond { get; init; }

    public required double WriteBytesPerSecond { get; init; }

    public required double UpdateParametersPerSecond { get; init; }

    /// <summary>The profile that the planner and the simulator are given: no lane slows another down, as none does here.</summary>
    public HardwareProfile ToProfile() => new()
    {
        Name = "throttled",
        Gpu = new GpuProfile
        {
            MemoryGiB = 1,
            MatmulTflops = FlopsPerSecond / Tera,
            H2dGBps = H2dBytesPerSecond / Giga,
            D2hGBps = D2hBytesPerSecond / Giga,
            DuplexGBps = Math.Max(H2dBytesPerSecond, D2hBytesPerSecond) / Giga,
            MemoryGBps = GpuBytesPerSecond / Giga,
        },
        Cpu = new CpuProfile { MemoryGiB = 1, AdamGParamsPerSecond = UpdateParametersPerSecond / Giga },
        Ssd = new SsdProfile
        {
            ReadGBps = ReadBytesPerSecond / Giga,
            WriteGBps = WriteBytesPerSecond / Giga,
            MixedReadGBps = ReadBytesPerSecond / Giga,
            MixedWriteGBps = WriteBytesPerSecond / Giga,
        },
    };

    public IBlockDevice CreateDrive(long sizeBytes) => new StandInDrive(sizeBytes, new ThrottleOptions(ReadBytesPerSecond / Giga, WriteBytesPerSecond / Giga));

    public SwapModelOptions ToOptions() => new()
    {
        UpdateThreads = 1,
        WrapScratch = file =>
        {
            file.Dispose();
            return CreateDrive(file.SizeBytes);
        },
        H2dBytesPerSecond = H2dBytesPerSecond,
        D2hBytesPerSecond = D2hBytesPerSecond,
        ComputeFlopsPerSecond = FlopsPerSecond,
        GpuBytesPerSecond = GpuBytesPerSecond,
        UpdateParametersPerSecond = UpdateParametersPerSecond,
    };
}
