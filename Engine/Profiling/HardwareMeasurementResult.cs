using Offload.Profiles.Hardware;
using Offload.Storage.Benchmarks;

namespace Offload.Engine.Profiling;

/// <summary>What a <see cref="HardwareMeasurement"/> found. Immutable.</summary>
/// <param name="Profile">For plans.</param>
/// <param name="Rates">How it came to its numbers, those of the drives apart.</param>
/// <param name="Storage">How the drives' rates came; null: none were measured.</param>
/// <param name="Seconds">What all of it took.</param>
public sealed record HardwareMeasurementResult(HardwareProfile Profile, IReadOnlyList<MeasuredRate> Rates, StorageBenchmarkResult? Storage, double Seconds);
