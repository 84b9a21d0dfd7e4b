using Offload.Storage.Files;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

public static partial class StoreFiles
{
    /// <summary>Bytes that a store takes in each folder.</summary>
    /// <param name="description">What it will hold.</param>
    /// <param name="stripeBytes">Width of each folder's stripes, multiples of 4096; a single one for a single folder.</param>
    /// <exception cref="ArgumentException">No store can have this description, or these stripes.</exception>
    public static IReadOnlyList<long> FileBytes(StoreDescription description, IReadOnlyList<int> stripeBytes)
    {
        ArgumentNullException.ThrowIfNull(stripeBytes);
        return FileBytes(StoreGeometry.Of(description).SizeBytes, RequireStripes(stripeBytes, stripeBytes.Count));
    }

    /// <summary>
    /// Makes a store; folders that are missing are made, what is left of one that was never finished is removed. Nothing is written where the disk
    /// space is not enough; nothing is left behind if it fails.
    /// </summary>
    /// <param name="folders">One for each file, best on a drive each.</param>
    /// <param name="description">What it will hold.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="StorageException">
    /// Too little space (says how much is missing); a store is there, or a file of one that may have a commit, whose other files are in none of the folders; another
    /// process uses it; or the system refuses.
    /// </exception>
    /// <exception cref="StoreMismatchException">There is a file of a store of another format version.</exception>
    /// <exception cref="ArgumentException">No store can have this description, or these stripes.</exception>
    public static StateStore Create(IReadOnlyList<string> folders, StoreDescription description, StoreFilesOptions? options = null)
    {
        options ??= new StoreFilesOptions();
        string[] full = FullPaths(folders);
        long storeBytes = StoreGeometry.Of(description).SizeBytes;
        IReadOnlyList<int>? stripeBytes = options.StripeBytes is { } given ? RequireStripes(given, full.Length)
            : FolderSpeeds.AreMeasured(full.Length, storeBytes) ? null
            : FolderSpeeds.EqualWidths(full.Length);
        HalfMadeFiles.Remove(full);
        Array.ForEach(full, folder => FileRemoval.Remove(Path.Join(folder, FolderSpeeds.ProbeName)));
        if (stripeBytes is null)
        {
            // Before anything is measured; how it is shared out is not known yet.
            DiskSpace.RequireTogether(full, storeBytes + (full.Length * (long)StoreLabel.SizeBytes));
            DiskSpace.RequireAll(full.Select(folder => (folder, FolderSpeeds.ProbeBytes)));
        }
        else
        {
            RequireSpace(full, FileBytes(storeBytes, stripeBytes));
        }

        string[] newFolders = MissingFolders(full);
        List<MadeFile> made = [];
        try
        {
            Array.ForEach(full, DurableFolder.Create);
            stripeBytes ??= FolderSpeeds.MeasureWidths(full, options);
            IReadOnlyList<long> fileBytes = FileBytes(storeBytes, stripeBytes);
            RequireSpace(full, fileBytes);
            foreach (string folder in full)
            {
                made.Add(MadeFile.Create(Path.Join(folder, FileName + PartSuffix), fileBytes[made.Count], options.Store.Warn));
            }

            return Create(full, [.. made.Select(file => file.Path)], fileBytes, description, stripeBytes, options);
        }
        catch
        {
            HalfMadeFiles.RemoveQuietly(made);
            Array.ForEach(newFolders, FileRemoval.RemoveEmptyFolderQuietly);
            throw;
        }
        finally
        {
            made.ForEach(file => file.Dispose());
        }
    }

    private static StateStore Create(
        string[] folders, string[] paths, IReadOnlyList<long> fileBytes, StoreDescription description, IReadOnlyList<int> stripeBytes, StoreFilesOptions options)
    {
        UInt128 storeId = StoreFormat.NewId();
        using StoreMembers members = StoreMembers.Label(paths, fileBytes, storeId, stripeBytes, options);

        // Under the locks: before them another process may have made, committed and closed one.
        HalfMadeFiles.RequireNoStore(folders);
        StateStore store = StateStore.Create(members.ToDevice(), description, options.Store, storeId);
        store.AfterFirstCommit = () => members.Rename(PartSuffix);
        return store;
    }

    private static IReadOnlyList<long> FileBytes(long storeBytes, IReadOnlyList<int> stripeBytes)
    {
        long roundBytes = stripeBytes.Sum(width => (long)width);
        long numRounds = (storeBytes + roundBytes - 1) / roundBytes;
        return stripeBytes.Count == 1
            ? [storeBytes + StoreLabel.SizeBytes]
            : [.. stripeBytes.Select(width => (numRounds * width) + StoreLabel.SizeBytes)];
    }

    private static IReadOnlyList<int> RequireStripes(IReadOnlyList<int> stripeBytes, int numFolders) =>
        stripeBytes.Count == numFolders
        && numFolders is >= 1 and <= StoreLabel.MaxMembers
        && stripeBytes.All(width => width > 0 && width % NativeBuffer.AlignmentBytes == 0)
            ? stripeBytes
            : throw new ArgumentException(
                $"widths of stripes: expected a positive multiple of {NativeBuffer.AlignmentBytes} for each of {numFolders} folders (at most {StoreLabel.MaxMembers}), found [{string.Join(", ", stripeBytes)}]",
                nameof(stripeBytes));

    private static void RequireSpace(string[] folders, IReadOnlyList<long> fileBytes) =>
        DiskSpace.RequireAll(folders.Select((folder, index) => (folder, fileBytes[index])));

    /// <summary>Folders and their parents that are not there, the innermost first.</summary>
    private static string[] MissingFolders(string[] folders)
    {
        var missing = new HashSet<string>(StringComparer.Ordinal);
        foreach (string folder in folders)
        {
            for (string? path = folder; path is not null && !Directory.Exists(path); path = Path.GetDirectoryName(path))
            {
                missing.Add(path);
            }
        }

        return [.. missing.OrderByDescending(path => path.Length)];
    }
}
