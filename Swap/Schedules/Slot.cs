namespace Offload.Swap.Schedules;

/// <summary>A fixed piece of memory on a tier. It is one operation's at a time when written, several operations' when read.</summary>
/// <param name="Name">For messages and pictures: "weights 1".</param>
/// <param name="Tier">Where it is.</param>
/// <param name="SizeBytes">What it takes of the tier's budget; slots are allocated once and live as long as the run.</param>
public sealed record Slot(string Name, Tier Tier, long SizeBytes);
