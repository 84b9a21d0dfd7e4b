namespace Offload.Storage.States;

/// <summary>What a check of a store found.</summary>
/// <param name="Commit">The commit that was checked.</param>
/// <param name="BytesRead">States that were read.</param>
/// <param name="Damage">Damaged parts of tiles, in order.</param>
/// <param name="Notes">Damage that does no harm yet, in lines: one of two copies of the description or of a file's label, a commit record that is not whole.</param>
public sealed record VerifyReport(StoreCommit Commit, long BytesRead, IReadOnlyList<TileDamage> Damage, IReadOnlyList<string> Notes)
{
    /// <summary>Whether every byte of the states is as it was written.</summary>
    public bool IsIntact => Damage.Count == 0;
}
