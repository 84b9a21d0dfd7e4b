using Offload.Engine.Hub;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Files;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>
/// The folder of a run: settings, the base model's small files, tokens, checkpoint, metrics, result, exported model. One process at a
/// time: a lock is held until it is disposed. Layout: docs/run-folder.md.
/// </summary>
internal sealed class RunFolder : IDisposable
{
    /// <summary>Name of <see cref="ModelFolder"/>.</summary>
    public const string ModelFolderName = "model";

    private const string CheckpointFolderName = "checkpoint";

    /// <summary>EWOULDBLOCK of Linux, which .NET puts into HResult as it is.</summary>
    private const int LockedByAnother = 11;

    private readonly FileStream? _lock;
    private readonly bool _isNew;
    private readonly bool _isLockNew;

    private RunFolder(string path, FileStream? lockFile, bool isNew = false, bool isLockNew = false)
    {
        Path = path;
        _lock = lockFile;
        _isNew = isNew;
        _isLockNew = isLockNew;
        Metrics = new RunMetrics(System.IO.Path.Combine(path, "metrics.jsonl"));
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>Its lines of metrics.</summary>
    public RunMetrics Metrics { get; }

    /// <summary>Where the store of a run lies whose states are in memory.</summary>
    public string CheckpointFolder => System.IO.Path.Combine(Path, CheckpointFolderName);

    /// <summary>Where the exported model goes.</summary>
    public string ModelFolder => System.IO.Path.Combine(Path, ModelFolderName);

    /// <summary>Tokens of the training data.</summary>
    public string TrainTokensFile => System.IO.Path.Combine(Path, "tokens", "train.tokens");

    /// <summary>Tokens of the evaluation files.</summary>
    public string EvalTokensFile => System.IO.Path.Combine(Path, "tokens", "eval.tokens");

    /// <summary>Copies of the base model's configuration and tokenizer.</summary>
    public string BaseFolder => System.IO.Path.Combine(Path, "base");

    private string SettingsFile => System.IO.Path.Combine(Path, "run.json");

    private string ResultFile => System.IO.Path.Combine(Path, "result.json");

    private string StoreFile => System.IO.Path.Combine(Path, "store.json");

    /// <summary>True for the folder of a run, committed or not.</summary>
    public static bool IsRun(string path) => File.Exists(System.IO.Path.Combine(path, "run.json"));

    /// <summary>Opens a run's folder for training and locks it; made if missing.</summary>
    /// <exception cref="UsageException">The path is a file, the folder holds something that is no run, or another process uses it.</exception>
    /// <exception cref="StorageException">The folder cannot be made.</exception>
    public static RunFolder OpenForTraining(string path)
    {
        if (File.Exists(path))
        {
            throw new UsageException($"--output {path}: expected a folder, found a file");
        }

        bool isNew = !Directory.Exists(path);
        string lockPath = System.IO.Path.Combine(path, "lock");
        try
        {
            RequireRunOrEmpty(path, lockPath);
            bool isLockNew = !File.Exists(lockPath);
            DurableFolder.Create(System.IO.Path.Combine(path, "tokens"));
            // FileShare.None takes an advisory lock that the system releases however the process ends.
            return new RunFolder(path, new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None), isNew, isLockNew);
        }
        catch (IOException error) when (error.HResult == LockedByAnother)
        {
            throw new UsageException($"--output {path}: another process is using this run", "wait for it, or choose another folder", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(path, "make the folder", error.Message, cause: error);
        }
    }

    /// <summary>Opens a run's folder to read what was committed; takes no lock.</summary>
    public static RunFolder OpenForReading(string path) => new(path, null);

    /// <summary>True if the folder holds anything of a run.</summary>
    public bool IsUsed() => File.Exists(SettingsFile) || File.Exists(ResultFile) || StoreFiles.StateOf([CheckpointFolder]) == StoreFilesState.Committed;

    /// <summary>The run's settings; null if there are none.</summary>
    /// <exception cref="StoreMismatchException">Malformed, or of another version.</exception>
    public RunSettings? ReadSettings()
    {
        // The version alone first: settings of another one may lack what these have.
        return RunJson.Read<VersionOnly>(SettingsFile) is { Version: not RunSettings.CurrentVersion } other
            ? throw new StoreMismatchException(SettingsFile, $"expected version {RunSettings.CurrentVersion}, found {other.Version}", "use the version of offload that wrote it")
            : RunJson.Read<RunSettings>(SettingsFile);
    }

    /// <summary>The result of a finished run; null if it is not finished.</summary>
    /// <exception cref="StoreMismatchException">Malformed.</exception>
    public TrainingResult? ReadResult() => RunJson.Read<TrainingResult>(ResultFile);

    /// <summary>Folders of the store, if there is a run whose states live on drives; null if not.</summary>
    /// <exception cref="StoreMismatchException">Malformed.</exception>
    public IReadOnlyList<string>? ReadStoreFolders() => IsRun(Path) ? RunJson.Read<StorePlace>(StoreFile)?.Folders : null;

    /// <summary>Remembers where the store is.</summary>
    /// <param name="folders">Its folders; null: below the run's folder.</param>
    /// <exception cref="StorageException">Writing failed.</exception>
    public void WriteStoreFolders(IReadOnlyList<string>? folders)
    {
        if (folders is null)
        {
            Change(StoreFile, "delete", File.Delete);
        }
        else
        {
            RunJson.Write(StoreFile, new StorePlace([.. folders.Select(System.IO.Path.GetFullPath)]));
        }
    }

    /// <summary>Remembers where the store is now, if that is not where it was.</summary>
    /// <param name="folders">Its folders.</param>
    /// <exception cref="StorageException">Writing failed.</exception>
    public void MoveStoreFolders(IReadOnlyList<string> folders)
    {
        if (ReadStoreFolders()?.SequenceEqual(folders.Select(System.IO.Path.GetFullPath)) != true)
        {
            WriteStoreFolders(folders);
        }
    }

    /// <summary>
    /// Takes back <see cref="Begin"/> of a run of which nothing was committed, so that what its store holds does not matter any more: a run that
    /// is recorded must have one.
    /// </summary>
    /// <exception cref="StorageException">Deleting failed.</exception>
    public void Forget()
    {
        if (!IsRun(Path))
        {
            return;
        }

        // Before the settings: without them a folder with metrics is not known to be a run's.
        Metrics.Clear();
        Change(SettingsFile, "delete", File.Delete);
        AtomicFile.SyncFolder(Path);
    }

    /// <summary>Forgets that a run is finished: its store went back to a step before the end.</summary>
    /// <exception cref="StorageException">Deleting failed.</exception>
    public void RemoveResult() => Change(ResultFile, "delete", File.Delete);

    /// <summary>Writes settings and the base model's small files: the run begins.</summary>
    public void Begin(RunSettings settings, HubCompanions companions)
    {
        Metrics.Clear();
        // A run that was killed before its first commit may have left another model's files.
        Change(BaseFolder, "delete the folder", DeleteFolder);
        DurableFolder.Create(BaseFolder);
        companions.WriteTo(BaseFolder);
        RunJson.Write(SettingsFile, settings);
    }

    /// <summary>Writes the result: the run is finished. Its tokens are removed.</summary>
    public void Finish(TrainingResult result)
    {
        RunJson.Write(ResultFile, result);
        RemoveTokens();
    }

    /// <summary>Removes the tokens of a finished run.</summary>
    public void RemoveTokens()
    {
        if (Directory.Exists(System.IO.Path.GetDirectoryName(TrainTokensFile)))
        {
            Change(TrainTokensFile, "delete", File.Delete);
            Change(EvalTokensFile, "delete", File.Delete);
        }
    }

    /// <summary>Releases the lock. A folder in which no run began, because something was wrong with the input, is left as it was found.</summary>
    public void Dispose()
    {
        if (_lock is null)
        {
            return;
        }

        if (!File.Exists(SettingsFile) && StoreFiles.StateOf([CheckpointFolder]) != StoreFilesState.Committed)
        {
            RemoveTraces();
        }

        _lock.Dispose();
    }

    /// <summary>A run writes, replaces and deletes below its folder: nobody else's files may be there.</summary>
    private static void RequireRunOrEmpty(string path, string lockPath)
    {
        if (!Directory.Exists(path) || IsRun(path) || StoreFiles.StateOf([System.IO.Path.Combine(path, CheckpointFolderName)]) == StoreFilesState.Committed)
        {
            return;
        }

        // What a process leaves that was killed before its run began; without the lock file it is somebody else's.
        bool hasLock = File.Exists(lockPath) && new FileInfo(lockPath).Length == 0;
        string? foreign = Directory.EnumerateFileSystemEntries(path).Select(System.IO.Path.GetFileName)
            .Where(name => !hasLock || name is not ("lock" or "tokens" or "base" or "store.json" or CheckpointFolderName)).Order(StringComparer.Ordinal).FirstOrDefault();
        if (foreign is not null)
        {
            throw new UsageException($"--output {path}: expected an empty folder or a run, found '{foreign}'", "choose a new folder");
        }
    }

    private void RemoveTraces()
    {
        Try(() => File.Delete(TrainTokensFile));
        Try(() => File.Delete(EvalTokensFile));
        Try(() => Directory.Delete(System.IO.Path.GetDirectoryName(TrainTokensFile)!));
        Try(() => DeleteFolder(CheckpointFolder));
        Try(() => DeleteFolder(BaseFolder));
        Try(() => File.Delete(StoreFile));
        if (_isLockNew)
        {
            Try(() => File.Delete(_lock!.Name));
        }

        if (_isNew)
        {
            Try(() => Directory.Delete(Path));
        }

        static void Try(Action delete)
        {
            try
            {
                delete();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Not empty: it holds something of the user's, or of a process that was killed. An error is on its way up that says more.
            }
        }
    }

    private static void DeleteFolder(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private static void Change(string path, string operation, Action<string> change)
    {
        try
        {
            change(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(path, operation, error.Message, cause: error);
        }
    }

    private sealed record VersionOnly(int Version);

    private sealed record StorePlace(IReadOnlyList<string> Folders);
}
