namespace Offload.Storage.States;

/// <summary>What can be said of a store without opening it.</summary>
/// <param name="Description">What it holds.</param>
/// <param name="LastCommit">Its last commit; null: it is half made.</param>
/// <param name="Files">Its files, in the order of its members.</param>
/// <param name="SizeBytes">Their size together.</param>
/// <param name="Notes">Damage that does no harm, in lines.</param>
/// <param name="StoreId">What tells this store from all others: 32 hexadecimal digits.</param>
/// <param name="FormatVersion">Version of the format on the disk.</param>
public sealed record StoreSummary(
    StoreDescription Description, StoreCommit? LastCommit, IReadOnlyList<string> Files, long SizeBytes, IReadOnlyList<string> Notes, string StoreId, uint FormatVersion);
