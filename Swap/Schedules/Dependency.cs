namespace Offload.Swap.Schedules;

/// <summary>An operation that must be done before another begins.</summary>
/// <param name="Operation">Index in the schedule.</param>
/// <param name="IsFromPeriodBefore">True: the instance of the period before; a first period does not wait for it.</param>
public readonly record struct Dependency(int Operation, bool IsFromPeriodBefore);
