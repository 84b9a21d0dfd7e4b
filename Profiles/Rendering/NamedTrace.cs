using Offload.Profiles.Tracing;

namespace Offload.Profiles.Rendering;

/// <summary>A trace to be drawn, with what it is: "predicted", "measured".</summary>
/// <param name="Name">For headings.</param>
/// <param name="Trace">The steps.</param>
public sealed record NamedTrace(string Name, StepTrace Trace);
