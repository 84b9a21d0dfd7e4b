using Offload.Profiles.Tracing;

namespace Offload.Engine.Profiling;

/// <summary>What a <see cref="StepProfiler"/> found. Immutable.</summary>
/// <param name="Profile">The numbers.</param>
/// <param name="Measured">The steps that were measured, and one before them.</param>
/// <param name="Predicted">Such steps on the virtual clock.</param>
public sealed record StepProfileResult(StepProfile Profile, StepTrace Measured, StepTrace Predicted);
