namespace Offload.Storage.States;

/// <summary>What some folders hold of a store.</summary>
public enum StoreFilesState
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A store without a commit: nothing is lost with it.</summary>
    HalfMade,

    /// <summary>A store with a commit; whether it can be opened is another question.</summary>
    Committed,
}
