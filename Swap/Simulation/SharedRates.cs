namespace Offload.Swap.Simulation;

/// <summary>How lanes slow each other down: fractions of what each reaches alone.</summary>
public sealed record SharedRates
{
    /// <summary>SsdRead while SsdWrite is busy.</summary>
    public double SsdReadMixed { get; init; } = 1;

    /// <summary>SsdWrite while SsdRead is busy.</summary>
    public double SsdWriteMixed { get; init; } = 1;

    /// <summary>H2D while D2H is busy.</summary>
    public double H2DDuplex { get; init; } = 1;

    /// <summary>D2H while H2D is busy.</summary>
    public double D2HDuplex { get; init; } = 1;

    /// <summary>Bytes a second of CPU memory that all lanes share; infinite: nobody contends.</summary>
    public double HostBytesPerSecond { get; init; } = double.PositiveInfinity;
}
