namespace Offload.Engine.Profiling;

/// <summary>One lane in a measured step: the mean of all that were measured. Immutable.</summary>
/// <param name="Name">The lane.</param>
/// <param name="Operations">Operations of a step.</param>
/// <param name="BusySeconds">In which it worked.</param>
/// <param name="IdleSeconds">In which it did not.</param>
/// <param name="WaitedForSeconds">
/// Idle seconds by the lane whose operation ended each gap; <see cref="Profiles.Tracing.LaneSummary.OtherCause"/>: no lane was in the way.
/// </param>
/// <param name="AmountUnit">What <paramref name="Amount"/> counts: <c>FLOP</c>, <c>bytes</c> or <c>parameters</c>.</param>
/// <param name="Amount">Done in a step, as the schedule has it; what runs only after a clipped step is left out.</param>
/// <param name="AchievedRate">Of those operations, 10^9 units a second, for <c>FLOP</c> 10^12; null: it did nothing that counts.</param>
/// <param name="ProfileRate">What the hardware profile says of this lane alone; null: nothing.</param>
/// <param name="PredictedBusySeconds">In which the simulator has it work.</param>
public sealed record LaneProfile(
    string Name,
    int Operations,
    double BusySeconds,
    double IdleSeconds,
    IReadOnlyDictionary<string, double> WaitedForSeconds,
    string AmountUnit,
    double Amount,
    double? AchievedRate,
    double? ProfileRate,
    double PredictedBusySeconds);
