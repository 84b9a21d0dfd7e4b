namespace Offload.Swap.Schedules;

/// <summary>A fixed piece of memory on a tier. It is one operation's at a time when written, several operations' when read.</summary>
/// <param name="Name">For messages and pictures: "weights 1".</param>
/// <param name="Tier">Where it is.</param>
/// <param name="SizeBytes">What it takes of the tier's budget; slots are allocated once and live as long as the run.</param>
/// <param name="IsPersistent">
/// What is in it outlives the schedule: the other schedules of the plan find it under the same name, and those that have no such slot leave its
/// memory alone. All other slots are empty when a schedule follows another one, so that those of different schedules can lie over each other.
/// </param>
public sealed record Slot(string Name, Tier Tier, long SizeBytes, bool IsPersistent = false);
