namespace Offload.Storage.Benchmarks;

/// <summary>What a pass of the benchmark does.</summary>
public enum BenchmarkPattern
{
    /// <summary>Reads a range in order.</summary>
    Read,

    /// <summary>Writes a range in order and makes it durable.</summary>
    Write,

    /// <summary>Reads one range while another one is written: rates of the time in which both went on.</summary>
    Mixed,
}
