namespace Offload.Storage.States;

/// <summary>A commit: the states of every unit after a step, with what the run needs to go on from there.</summary>
/// <param name="Sequence">Grows with every record; the newest whole record counts.</param>
/// <param name="Step">The step after which the states are as they are.</param>
/// <param name="RunState">What was given to <see cref="StateStore.Commit"/>; opaque here.</param>
public sealed record StoreCommit(long Sequence, long Step, ReadOnlyMemory<byte> RunState);
