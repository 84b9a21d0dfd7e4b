namespace Offload.Storage.States;

/// <summary>What an attempt to repair a store did.</summary>
/// <param name="Found">The check of the commit at which the store was opened.</param>
/// <param name="Current">The commit at which the store is now.</param>
/// <param name="Lost">The commit that was given up; null: nothing had to be.</param>
/// <param name="Mended">Copies that were written anew, in lines.</param>
public sealed record FallbackReport(VerifyReport Found, StoreCommit Current, StoreCommit? Lost, IReadOnlyList<string> Mended);
