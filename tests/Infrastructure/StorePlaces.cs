using Offload.Storage.States;

namespace Offload.Tests.Infrastructure;

/// <summary>Which parts of a store a place in one of its files belongs to.</summary>
public sealed class StorePlaces
{
    private readonly StoreGeometry _geometry;
    private readonly string[] _folders;
    private readonly int _stripeBytes;
    private readonly long _labelOffsetBytes;

    /// <param name="folders">Of a store with a commit, in the order of its members.</param>
    /// <param name="stripeBytes">Each member's, if there are several.</param>
    public StorePlaces(IReadOnlyList<string> folders, int stripeBytes)
    {
        _folders = [.. folders];
        _stripeBytes = stripeBytes;
        StoreSummary summary = StoreFiles.TryReadSummary(folders)!;
        _geometry = StoreGeometry.Of(summary.Description);
        _labelOffsetBytes = (summary.SizeBytes / folders.Count) - StoreLabel.SizeBytes;
    }

    /// <summary>What lies there.</summary>
    public enum Kind
    {
        /// <summary>A label or the description, of which there are two copies.</summary>
        TwoCopies,

        /// <summary>A commit record.</summary>
        CommitRecord,

        /// <summary>States.</summary>
        Tile,
    }

    /// <summary>What an operation touched.</summary>
    public Kind Of(FaultHit hit)
    {
        if (hit.OffsetBytes >= _labelOffsetBytes)
        {
            return Kind.TwoCopies;
        }

        long offsetBytes = StoreOffset(hit);
        return offsetBytes < _geometry.CommitSlotsOffsetBytes ? Kind.TwoCopies : offsetBytes < _geometry.ImmutableOffsetBytes ? Kind.CommitRecord : Kind.Tile;
    }

    /// <summary>Where in the store the operation began.</summary>
    public long StoreOffset(FaultHit hit)
    {
        if (_folders.Length == 1)
        {
            return hit.OffsetBytes;
        }

        int member = Array.IndexOf(_folders, Path.GetDirectoryName(hit.Path));
        long stripe = (hit.OffsetBytes / _stripeBytes * _folders.Length) + member;
        return (stripe * _stripeBytes) + (hit.OffsetBytes % _stripeBytes);
    }
}
