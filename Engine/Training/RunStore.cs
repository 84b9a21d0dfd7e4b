using Offload.Engine.Models;
using Offload.Engine.States;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Files;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>The store that holds a run's states: in folders on drives (--nvme), or below the run's folder as the checkpoint of states in memory.</summary>
internal sealed class RunStore
{
    private readonly RunFolder _folder;
    private readonly StoreFilesOptions _options;

    private RunStore(RunFolder folder, IReadOnlyList<string> folders, bool isOnDrives, StoreFilesOptions options)
    {
        _folder = folder;
        _options = options;
        Folders = folders;
        IsOnDrives = isOnDrives;
        State = StoreFiles.StateOf(folders);
    }

    /// <summary>Its folders.</summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>Whether states live there alone.</summary>
    public bool IsOnDrives { get; }

    /// <summary>What the folders hold.</summary>
    public StoreFilesState State { get; }

    /// <summary>Finds the store of a run.</summary>
    /// <param name="folder">The run.</param>
    /// <param name="nvmeFolders">As the user named them; empty: as the run remembers.</param>
    /// <param name="options">How its files are opened.</param>
    /// <exception cref="UsageException">The run keeps its states in memory, but folders are named.</exception>
    /// <exception cref="StoreMismatchException">What the run remembers is damaged.</exception>
    public static RunStore Find(RunFolder folder, IReadOnlyList<string> nvmeFolders, StoreFilesOptions options)
    {
        IReadOnlyList<string>? remembered = folder.ReadStoreFolders();
        var below = new RunStore(folder, [folder.CheckpointFolder], isOnDrives: false, options);
        if (nvmeFolders.Count > 0)
        {
            return remembered is null && below.State == StoreFilesState.Committed
                ? throw new UsageException("--nvme: this run keeps its states in memory", "leave --nvme out, or start another run")
                : new RunStore(folder, nvmeFolders, isOnDrives: true, options);
        }

        return remembered is null ? below : new RunStore(folder, remembered, isOnDrives: true, options);
    }

    /// <summary>What can be said without opening it, to go on from there; null if nothing was committed.</summary>
    /// <exception cref="StoreMismatchException">It is damaged, or its states are lost: a single generation was interrupted inside a step.</exception>
    public StoreSummary? ReadCommitted() => ReadSummary() switch
    {
        { IsInPlace: true } summary => throw new StoreMismatchException(
            summary.Files[0],
            $"a single generation, inside the step after step {summary.LastCommit.Step}: where no process is at work on it, its states are lost",
            "Start anew or from an exported model; two generations (the default) survive this."),
        { } summary => summary,
        null => null,
    };

    /// <summary>The run's progress at its last commit, also while the step after it goes on; null if nothing was committed.</summary>
    /// <exception cref="StoreMismatchException">It is damaged.</exception>
    public RunProgress? ReadProgress() => ReadSummary() is { } summary ? ParseProgress(summary.LastCommit) : null;

    /// <summary>Refuses a run whose store is gone: it is made before the run's settings are written.</summary>
    /// <exception cref="StoreMismatchException">There is not even a half-made one.</exception>
    public void RequireThere()
    {
        if (State == StoreFilesState.None)
        {
            throw Missing();
        }
    }

    /// <summary>The error that the run's store is gone.</summary>
    public StoreMismatchException Missing() => new(
        Folders[0],
        $"expected the store of the run in {_folder.Path}, found {(State == StoreFilesState.None ? "none" : "a half-made one")}",
        IsOnDrives ? "mount its drive, or give --nvme with the folders in which it is now" : "the run's folder is damaged");

    /// <summary>Removes what is left of a store to which nothing was committed. What the system refuses is left.</summary>
    public void RemoveHalfMade()
    {
        try
        {
            StoreFiles.RemoveHalfMade(Folders);
        }
        catch (StorageException)
        {
            // In the way of nothing but room: the drive is gone, or another process is making a store there.
        }
    }

    /// <summary>Makes the store; what was half made there is replaced.</summary>
    /// <exception cref="StorageException">There is no room, another process uses it, or another error of I/O.</exception>
    public StateStore Create(StoreDescription description) => StoreFiles.Create(Folders, description, _options);

    /// <summary>Opens the store at its last commit.</summary>
    /// <param name="owner">Whose it must be.</param>
    /// <param name="layout">The model.</param>
    /// <exception cref="StoreMismatchException">It is missing, damaged or somebody else's.</exception>
    /// <exception cref="StorageException">Another process uses it, or reading failed.</exception>
    public (StateStore Store, RunProgress Progress) Open(StoreOwner owner, ModelLayout layout)
    {
        StateStore store = StoreFiles.Open(Folders, _options);
        try
        {
            owner.Require(store.Device.Path, store.Description, layout);
            return (store, ParseProgress(store.LastCommit ?? throw new StoreMismatchException(store.Device.Path, "expected a commit, found none")));
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>Bytes that making it takes on each folder's file system.</summary>
    /// <param name="geometry">Of the store. Several folders are taken to share it evenly; by how much they do not is checked when it is made.</param>
    public IEnumerable<(string Path, long SizeBytes)> Needs(StoreGeometry geometry) =>
        Folders.Select(folder => (folder, Math.Max(0, (geometry.SizeBytes / Folders.Count) - HalfMadeBytes(folder))));

    /// <summary>Room that states, activations and gradients may take on the drives: what is free, and what the store holds already.</summary>
    public long DriveBytes() => DiskSpace.AvailableTogether(Folders) + Folders.Sum(folder => HalfMadeBytes(folder) + FileBytes(Path.Join(folder, StoreFiles.FileName)));

    private StoreSummary? ReadSummary() => State == StoreFilesState.Committed ? StoreFiles.TryReadSummary(Folders) : null;

    /// <summary>What a half-made store takes that will make room for the new one.</summary>
    private static long HalfMadeBytes(string folder)
    {
        return FileBytes(Path.Join(folder, StoreFiles.FileName + StoreFiles.PartSuffix));
    }

    private static long FileBytes(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? file.Length : 0;
    }

    private RunProgress ParseProgress(StoreCommit commit) => RunJson.Parse<RunProgress>(Folders[0], commit.RunState.Span);
}
