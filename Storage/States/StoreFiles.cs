using Offload.Storage.Devices;
using Offload.Storage.Files;

namespace Offload.Storage.States;

/// <summary>
/// Stores in files: one in each folder, striped if there are several, locked against other processes while open. A file has another name until
/// the first commit, so that a store that was never finished is not taken for one that lost something. Stateless; any thread.
/// </summary>
public static class StoreFiles
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

    /// <summary>Bytes that a store takes in each folder.</summary>
    /// <param name="description">What it will hold.</param>
    /// <param name="stripeBytes">Width of each folder's stripes; a single one for a single folder.</param>
    /// <exception cref="ArgumentException">No store can have this description.</exception>
    public static IReadOnlyList<long> FileBytes(StoreDescription description, IReadOnlyList<int> stripeBytes)
    {
        ArgumentNullException.ThrowIfNull(stripeBytes);
        long storeBytes = StoreGeometry.Of(description).SizeBytes;
        long roundBytes = stripeBytes.Sum(width => (long)width);
        long numRounds = (storeBytes + roundBytes - 1) / roundBytes;
        return stripeBytes.Count == 1
            ? [storeBytes + StoreLabel.SizeBytes]
            : [.. stripeBytes.Select(width => (numRounds * width) + StoreLabel.SizeBytes)];
    }

    /// <summary>
    /// Makes a store; folders that are missing are made, what is left of one that was never finished is removed. Nothing is written where the disk
    /// space is not enough; nothing is left behind if it fails.
    /// </summary>
    /// <param name="folders">One for each file, best on a drive each.</param>
    /// <param name="description">What it will hold.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="StorageException">Too little space (says how much is missing), a store is there, another process uses it, or the system refuses.</exception>
    /// <exception cref="ArgumentException">No store can have this description.</exception>
    public static StateStore Create(IReadOnlyList<string> folders, StoreDescription description, StoreFilesOptions? options = null)
    {
        options ??= new StoreFilesOptions();
        string[] full = FullPaths(folders);
        foreach (string folder in full)
        {
            DurableFolder.Create(folder);
            RemoveHalfMade(folder);
        }

        IReadOnlyList<int> stripeBytes = options.StripeBytes ?? FolderSpeeds.Widths(full, StoreGeometry.Of(description).SizeBytes, options);
        IReadOnlyList<long> fileBytes = FileBytes(description, stripeBytes);
        FolderSpace.Require(full, fileBytes);
        string[] paths = [.. full.Select(folder => Path.Join(folder, FileName + PartSuffix))];
        int numMade = 0;
        try
        {
            for (; numMade < paths.Length; numMade++)
            {
                PreallocatedFile.Create(paths[numMade], fileBytes[numMade], options.Store.Warn);
            }

            return Create(paths, description, stripeBytes, options);
        }
        catch
        {
            foreach (string path in paths.AsSpan(0, numMade))
            {
                File.Delete(path);
            }

            throw;
        }
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
        foreach (string note in members.Notes)
        {
            options.Store.Warn?.Invoke(note);
        }

        StateStore store = StateStore.Open(members.ToDevice(), options.Store with { FallBack = false });
        store.MendFiles = members.Mend;
        try
        {
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
                store.FallBackAtOpen(options.Store);
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
        StoreCommit? commit = null;
        for (int count = 0; count < NumSummaryTries && commit is null; count++)
        {
            commit = slots.ReadNewest()?.Commit;
        }

        return commit is null
            ? throw new StoreMismatchException(device.Path, "damaged: neither of the two commit records is whole")
            : new StoreSummary(
                format.Geometry.Description, commit, paths, sizeBytes, [.. members.Notes, .. format.Damage], $"{format.Preamble.StoreId:x32}", StorePreamble.FormatVersion);
    }

    private static StateStore Create(string[] paths, StoreDescription description, IReadOnlyList<int> stripeBytes, StoreFilesOptions options)
    {
        UInt128 storeId = StoreFormat.NewId();
        using StoreMembers members = StoreMembers.Label(paths, storeId, stripeBytes, options);
        StateStore store = StateStore.Create(members.ToDevice(), description, options.Store, storeId);
        store.AfterFirstCommit = () => members.Rename(PartSuffix);
        return store;
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
    /// <param name="folders">Its folders; those that hold none, or a whole one, are passed over.</param>
    /// <exception cref="StorageException">Another process uses it, or the system refuses.</exception>
    public static void RemoveHalfMade(IReadOnlyList<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        if (StateOf(folders) == StoreFilesState.HalfMade)
        {
            foreach (string folder in folders)
            {
                RemoveHalfMade(folder);
            }
        }
    }

    private static void RemoveHalfMade(string folder)
    {
        string path = Path.Join(folder, FileName);
        if (File.Exists(path))
        {
            throw new StorageException(path, "make a state store", "there is one already", "Continue with it (--resume), remove it, or choose another folder.");
        }

        if (File.Exists(path + PartSuffix))
        {
            // Under its lock: another process may be making a store here just now.
            using DirectFileDevice file = DirectFileDevice.Open(path + PartSuffix, new DirectFileOptions { Engine = IoEngine.Threads, QueueDepth = 1 });
            File.Delete(path + PartSuffix);
        }
    }
}
