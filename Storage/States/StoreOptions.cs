namespace Offload.Storage.States;

/// <summary>How a store works; nothing of it is stored.</summary>
public sealed record StoreOptions
{
    /// <summary>
    /// Size of the requests into which a tile is cut. 1 MiB: what one drive needs at the queue depth of 8 to 32 to reach its full rate; larger
    /// ones would make an urgent read wait longer behind those that a drive has already begun.
    /// </summary>
    public int BlockBytes { get; init; } = 1 << 20;

    /// <summary>Told, in one line, of damage that was got round (one of two copies of the header). Null: nobody.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>At open: check everything, and where the last commit is damaged go back to the one before, if that one is whole.</summary>
    public bool FallBack { get; init; }
}
