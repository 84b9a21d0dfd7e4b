using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>How a store's files are opened and made. Immutable.</summary>
public sealed record StoreFilesOptions
{
    /// <summary>How the store works; its warnings are also those of the files.</summary>
    public StoreOptions Store { get; init; } = new();

    /// <summary>What does the transfers.</summary>
    public IoEngine Engine { get; init; } = IoEngine.Auto;

    /// <summary>Requests that are with the kernel at a time, for each file.</summary>
    public int QueueDepth { get; init; } = DirectFileOptions.DefaultQueueDepth;

    /// <summary>
    /// Only when a store is made in several folders: bytes of each folder's file in a round, multiples of 4096. Null: in the ratio of the folders'
    /// speeds, which are measured.
    /// </summary>
    public IReadOnlyList<int>? StripeBytes { get; init; }

    /// <summary>Lays a device over that of each file, for tests; owns what it is given. Null: none.</summary>
    public Func<IBlockDevice, IBlockDevice>? Wrap { get; init; }
}
