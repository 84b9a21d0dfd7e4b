namespace Offload.Acceptance.Swap;

/// <summary>The machine that the checks run on.</summary>
internal static class Machine
{
    /// <summary>
    /// What it does several times faster than this, one thread each, so that slowed-down lanes do not feel that they share two cores: of products on
    /// these widths 10 GFLOP/s and more, copies and checksums 5 GB/s and more, updates 500 million parameters a second.
    /// </summary>
    public static DeviceRates Ceilings { get; } = new()
    {
        FlopsPerSecond = 3e9,
        GpuBytesPerSecond = 5e8,
        H2dBytesPerSecond = 5e8,
        D2hBytesPerSecond = 5e8,
        ReadBytesPerSecond = 2e8,
        WriteBytesPerSecond = 2e8,
        UpdateParametersPerSecond = 3e7,
    };
}
