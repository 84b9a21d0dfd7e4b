using Offload.Storage.Devices;

namespace Offload.Storage.Benchmarks;

/// <summary>How a file of the benchmark was opened.</summary>
/// <param name="IsDirect">Past the page cache.</param>
/// <param name="AlignmentBytes">Of offsets, sizes and addresses.</param>
/// <param name="Engine">What does the transfers.</param>
/// <param name="EngineReason">Why.</param>
public sealed record OpenedDevice(bool IsDirect, int AlignmentBytes, IoEngine Engine, string EngineReason);
