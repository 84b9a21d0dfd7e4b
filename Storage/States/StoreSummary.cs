namespace Offload.Storage.States;

/// <summary>What can be said of a store without opening it.</summary>
/// <param name="Description">What it holds.</param>
/// <param name="LastCommit">Its last commit.</param>
/// <param name="IsInPlace">
/// Single generation only: tiles are being overwritten by the step after the last commit. If no process does that now, one was interrupted and the states are lost.
/// </param>
/// <param name="Files">Its files, in the order of its members.</param>
/// <param name="SizeBytes">Their size together.</param>
/// <param name="Notes">Damage that does no harm, in lines.</param>
/// <param name="StoreId">What tells this store from all others: 32 hexadecimal digits.</param>
/// <param name="FormatVersion">Version of the format on the disk.</param>
public sealed record StoreSummary(
    StoreDescription Description, StoreCommit LastCommit, bool IsInPlace, IReadOnlyList<string> Files, long SizeBytes, IReadOnlyList<string> Notes, string StoreId, uint FormatVersion);
