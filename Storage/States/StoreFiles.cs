using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>
/// Stores in files: one in each folder, striped if there are several, locked against other processes while open. A file has another name until
/// the first commit, so that a store that was never finished is not taken for one that lost something. Stateless; any thread.
/// </summary>
public static partial class StoreFiles
{
    /// <summary>Name of a store's file in its folder.</summary>
    public const string FileName = "states.offload";

    /// <summary>What its name ends in until the first commit.</summary>
    public const string PartSuffix = ".part";

    // A summary is read while the store may be committing: both records may be torn for a moment, but not again and again.
    private const int NumSummaryTries = 5;

    /// <summary>What some folders hold, by the names of files alone: a commit in one of them counts. Folders may be missing.</summary>
    /// <param name="folders">The folders.</param>
    public static StoreFilesState StateOf(IReadOnlyList<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        return folders.Any(folder => File.Exists(Path.Join(folder, FileName))) ? StoreFilesState.Committed
            : folders.Any(folder => File.Exists(Path.Join(folder, FileName + PartSuffix))) ? StoreFilesState.HalfMade
            : StoreFilesState.None;
    }

    /// <summary>Opens a store at its last commit.</summary>
    /// <param name="folders">Those that it was made with, in any order.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="StoreMismatchException">
    /// No store is there or a half-made one, a file of it is missing or belongs to another store, it is of another version, damaged, or its states are lost.
    /// </exception>
    /// <exception cref="StorageException">Another process uses it, or the system refuses.</exception>
    public static StateStore Open(IReadOnlyList<string> folders, StoreFilesOptions? options = null)
    {
        options ??= new StoreFilesOptions();
        using StoreMembers members = StoreMembers.Open(FindFiles(FullPaths(folders)), options, isLocked: true);
        StateStore store = StateStore.OpenUnrepaired(members.ToDevice(), options.Store);
        store.MendFiles = members.Mend;
        try
        {
            foreach (string note in members.Notes)
            {
                store.Note(note);
            }

            if (store.StoreId != members.StoreId)
            {
                throw new StoreMismatchException(store.Device.Path, "the files' labels belong to another store than their contents");
            }

            if (store.LastCommit is null)
            {
                throw new StoreMismatchException(store.Device.Path, "damaged: neither of the two commit records is whole", "Start anew or from an exported model.");
            }

            // A crash between the first commit and the renaming of all files.
            members.Rename(PartSuffix);
            if (options.Store.FallBack)
            {
                store.FallBackAtOpen();
            }

            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>Reads what a store is, without a lock: of one that a running process uses, too.</summary>
    /// <param name="folders">Those that it was made with, in any order.</param>
    /// <returns>Null: no store is there, or one without a commit.</returns>
    /// <exception cref="StoreMismatchException">As <see cref="Open"/>.</exception>
    /// <exception cref="StorageException">The system refuses.</exception>
    public static StoreSummary? TryReadSummary(IReadOnlyList<string> folders)
    {
        string[] full = FullPaths(folders);
        if (StateOf(full) != StoreFilesState.Committed)
        {
            return null;
        }

        using StoreMembers members = StoreMembers.Open(FindFiles(full), new StoreFilesOptions { QueueDepth = 1, Engine = IoEngine.Threads }, isLocked: false);
        IReadOnlyList<string> paths = members.Paths;
        long sizeBytes = members.SizeBytes;
        using IBlockDevice device = members.ToDevice();
        StoreFormat.Opened format = StoreFormat.Read(device);
        using var slots = new CommitSlots(device, format.Geometry, format.Preamble.StoreId);
        CommitSlots.Content[] records = slots.Read();
        for (int count = 1; count < NumSummaryTries && CommitSlots.Newest(records) is null; count++)
        {
            records = slots.Read();
        }

        if (CommitSlots.Newest(records) is not { } newest)
        {
            throw records.Select(record => record.Error).FirstOrDefault(error => error is not null)
                ?? (Exception)new StoreMismatchException(device.Path, "damaged: neither of the two commit records is whole");
        }

        IEnumerable<string> unreadable = records.Where(record => record.Error is not null).Select(record => $"a commit record, which may be the newer one, cannot be read: {record.Error!.Message}");
        return new StoreSummary(
            format.Geometry.Description,
            newest.Commit!,
            newest.IsInPlace,
            paths,
            sizeBytes,
            [.. members.Notes, .. format.Damage, .. unreadable],
            $"{format.Preamble.StoreId:x32}",
            StorePreamble.FormatVersion);
    }

    private static string[] FullPaths(IReadOnlyList<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        string[] full = [.. folders.Select(folder => Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))];
        if (full.Length is 0 or > StoreLabel.MaxMembers)
        {
            throw new ArgumentException($"expected 1 to {StoreLabel.MaxMembers} folders, found {full.Length}", nameof(folders));
        }

        string? twice = full.GroupBy(folder => folder).FirstOrDefault(group => group.Count() > 1)?.Key;
        return twice is null ? full : throw new StorageException(twice, "use the folder twice", "each folder holds one file of a store", "Name each folder once.");
    }

    private static string[] FindFiles(string[] folders)
    {
        if (StateOf(folders) == StoreFilesState.HalfMade)
        {
            throw new StoreMismatchException(folders[0], "the store is half made: nothing was committed to it yet", "Start anew; nothing is lost.");
        }

        string[] paths = [.. folders.Select(folder => Path.Join(folder, FileName))];
        for (int index = 0; index < paths.Length; index++)
        {
            if (!File.Exists(paths[index]))
            {
                paths[index] = File.Exists(paths[index] + PartSuffix)
                    ? paths[index] + PartSuffix
                    : throw new StoreMismatchException(folders[index], $"no state store is there: expected a file {FileName}", "Name the folders that the store was made with.");
            }
        }

        return paths;
    }

    /// <summary>Removes what is left of a store to which nothing was committed.</summary>
    /// <param name="folders">Its folders, all of them; those that hold nothing of it are passed over.</param>
    /// <exception cref="StorageException">
    /// It may have a commit after all, since a file of it is in another folder; another process uses it; or the system refuses.
    /// </exception>
    public static void RemoveHalfMade(IReadOnlyList<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        if (StateOf(folders) == StoreFilesState.HalfMade)
        {
            HalfMadeFiles.Remove(FullPaths(folders));
        }
    }
}
