using System.Diagnostics;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Cli.Commands;

/// <summary>What <c>offload inspect</c> does with a state store: tells what it is, checks it, repairs it.</summary>
internal static class StoreInspection
{
    // A line now and then for hours of reading; none for what takes seconds.
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(5);

    /// <summary>The folder of a store that is named by its file; any other path itself.</summary>
    public static string FolderOf(string path) =>
        Path.GetFileName(path) is StoreFiles.FileName or StoreFiles.FileName + StoreFiles.PartSuffix && File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;

    /// <summary>Inspects the store in some folders.</summary>
    /// <param name="context">Where to write.</param>
    /// <param name="folders">All of the store's, in any order; something is there.</param>
    /// <param name="verifies">Whether to read and check everything. Takes the store's lock.</param>
    /// <param name="repairs">Whether to mend what was found.</param>
    /// <param name="runFolder">Folder of the run whose store it is; null: not known.</param>
    /// <exception cref="OffloadException">It is not to be read, used by another process (to verify), or damaged beyond repair.</exception>
    public static ExitCode Run(CommandContext context, IReadOnlyList<string> folders, bool verifies, bool repairs, string? runFolder)
    {
        StoreSummary? summary = StoreFiles.TryReadSummary(folders);
        bool wasRepaired = false;
        Verification? verification = verifies ? Verify(context, folders, repairs, out wasRepaired) : null;
        Repair? repair = wasRepaired ? new Repair(null, verification!.Step, verification.Notes, HasErasedRecord: true)
            : repairs ? Mend(context, folders, verification!)
            : null;
        if (repair is { LostStep: not null } or { HasErasedRecord: true } && runFolder is not null)
        {
            // The run is not at its end any more; its tokens are made again.
            RunSummary.RemoveResult(runFolder);
        }

        StoreReport.Write(context, folders, repairs ? StoreFiles.TryReadSummary(folders) : summary, verification, repair);
        return verification is { IsIntact: false } && repair is null ? ExitCode.Store : ExitCode.Done;
    }

    private static Verification Verify(CommandContext context, IReadOnlyList<string> folders, bool repairs, out bool wasRepaired)
    {
        var notes = new List<string>();
        using StateStore store = Open(context, folders, notes, repairs, out wasRepaired);
        long totalBytes = store.Geometry.StateBytes;
        long start = Stopwatch.GetTimestamp();
        long lastLine = start;
        VerifyReport found = store.Verify(
            checkedBytes =>
            {
                if (Stopwatch.GetElapsedTime(lastLine) >= ProgressInterval)
                {
                    lastLine = Stopwatch.GetTimestamp();
                    context.Error.WriteLine(FormattableString.Invariant(
                        $"checked {Sizes.Format(checkedBytes)} of {Sizes.Format(totalBytes)}, {checkedBytes / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9:F2} GB/s"));
                }
            },
            context.Cancellation);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new Verification(
            found.IsIntact,
            found.Commit.Sequence,
            found.Commit.Step,
            found.BytesRead,
            seconds,
            found.BytesRead / seconds / 1e9,
            [.. found.Damage.Select(damage => new Damage(store.Device.Path, damage.Unit, damage.Tile.Tile, damage.Part, damage.OffsetBytes, damage.SizeBytes, damage.Problem))],
            [.. notes.Union(found.Notes)]);
    }

    // A store that is whole and of which every copy is, too, is left alone.
    private static Repair Mend(CommandContext context, IReadOnlyList<string> folders, Verification found)
    {
        if (found.IsIntact && found.Notes.Count == 0)
        {
            return new Repair(null, found.Step, []);
        }

        context.Error.WriteLine("repairing: everything is read once more");
        var notes = new List<string>();
        using StateStore store = Open(folders, notes, fallsBack: true);
        return new Repair(store.LastCommit!.Sequence == found.Sequence ? null : found.Step, store.LastCommit.Step, notes);
    }

    // A store of which one commit record cannot be read is opened by a repair alone.
    private static StateStore Open(CommandContext context, IReadOnlyList<string> folders, List<string> notes, bool repairs, out bool wasRepaired)
    {
        try
        {
            wasRepaired = false;
            return Open(folders, notes, fallsBack: false);
        }
        catch (StorageException error) when (repairs && error.Operation == StateStore.OpenOperation)
        {
            context.Error.WriteLine($"repairing: {error.Message}");
            wasRepaired = true;
            notes.Clear();
            return Open(folders, notes, fallsBack: true);
        }
    }

    private static StateStore Open(IReadOnlyList<string> folders, List<string> notes, bool fallsBack) =>
        StoreFiles.Open(folders, new StoreFilesOptions { Store = new StoreOptions { Warn = notes.Add, FallBack = fallsBack } });

    /// <summary>What a check of the last commit found.</summary>
    internal sealed record Verification(
        bool IsIntact, long Sequence, long Step, long BytesRead, double Seconds, double GBps, IReadOnlyList<Damage> Damage, IReadOnlyList<string> Notes);

    /// <summary>A part of a tile that is not as it was written.</summary>
    internal sealed record Damage(string File, string Unit, int Tile, string Part, long OffsetBytes, int SizeBytes, string Problem);

    /// <summary>What a repair did.</summary>
    internal sealed record Repair(long? LostStep, long Step, IReadOnlyList<string> Notes, bool HasErasedRecord = false);
}
