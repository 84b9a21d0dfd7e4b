using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>How a store works; nothing of it is stored.</summary>
public sealed record StoreOptions
{
    /// <summary>Size of the requests into which a tile is cut, a multiple of 4096: what a file is read and written with at the least cost.</summary>
    public int BlockBytes { get; init; } = DirectFileDevice.PreferredBlockBytes;

    /// <summary>Told, in one line, of damage that was got round (one of two copies of the header). Null: nobody.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>
    /// At open: check everything, and where the last commit is damaged go back to the one before, if that one is whole; go on with one commit record if the other
    /// cannot be read, though it may be the newer one.
    /// </summary>
    public bool FallBack { get; init; }
}
