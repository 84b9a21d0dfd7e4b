namespace Offload.Engine.States;

/// <summary>States that a store keeps: there alone, or as a copy.</summary>
internal interface IStoredStates
{
    /// <summary>Makes memory agree with the store's last commit.</summary>
    /// <param name="cancellation">Stops between tiles; memory then holds what it may.</param>
    /// <exception cref="Offload.Profiles.OffloadException">The store is damaged, or the device failed.</exception>
    void Load(CancellationToken cancellation = default);

    /// <summary>Has the store hold all that the next commit is to name.</summary>
    /// <exception cref="Offload.Storage.StorageException">The device failed.</exception>
    void Save();
}
