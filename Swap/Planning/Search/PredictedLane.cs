using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>One lane in a steady step.</summary>
/// <param name="Lane">The lane.</param>
/// <param name="BusySeconds">In which it works.</param>
/// <param name="IdleSeconds">In which it waits, by the lane that it waits for; only those above zero.</param>
public sealed record PredictedLane(Lane Lane, double BusySeconds, IReadOnlyDictionary<Lane, double> IdleSeconds);
