using Offload.Engine.Models;
using Offload.Engine.States;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>A run's weights at its last commit, read from its store as they are asked for. Keeps the store from being changed meanwhile. One thread.</summary>
internal sealed class RunWeights : IDisposable
{
    private readonly StateStore _store;

    private RunWeights(RunSettings settings, RunBase model, StateStore store, RunProgress progress)
    {
        Settings = settings;
        Base = model;
        Progress = progress;
        Masters = new StoreMasters(model.Layout, store);
        _store = store;
    }

    /// <summary>The run's settings.</summary>
    public RunSettings Settings { get; }

    /// <summary>Configuration and tokenizer.</summary>
    public RunBase Base { get; }

    /// <summary>Where the run stood.</summary>
    public RunProgress Progress { get; }

    /// <summary>Memory of the store's largest tile; the weights take a few while they are read.</summary>
    public long MaxTileBytes => _store.Geometry.MaxTileBytes;

    /// <summary>The weights.</summary>
    public IMasterWeights Masters { get; }

    /// <summary>Opens them.</summary>
    /// <param name="runFolder">Folder of the run.</param>
    /// <param name="nvmeFolders">Where the store is now, if not where the run remembers it; usually empty.</param>
    /// <param name="warn">Told, in one line, of damage that was got round: a last commit that is not whole, so that the one before it counts.</param>
    /// <exception cref="UsageException">The folder is not a run's, or nothing was committed yet.</exception>
    /// <exception cref="StorageException">Another process uses the store, or an I/O error.</exception>
    /// <exception cref="StoreMismatchException">The run is damaged.</exception>
    public static RunWeights Open(string runFolder, IReadOnlyList<string> nvmeFolders, Action<string> warn)
    {
        using RunFolder folder = RunFolder.OpenForReading(runFolder);
        RunSettings settings = folder.ReadSettings() ?? throw new UsageException($"{runFolder}: expected the folder of a run, found no run.json", "give the --output of offload train");
        RunStore store = RunStore.Find(folder, nvmeFolders, new StoreFilesOptions { Store = new StoreOptions { Warn = warn } });
        store.RequireThere();
        if (store.State != StoreFilesState.Committed)
        {
            throw new UsageException($"{runFolder}: the run has no checkpoint yet", "let it reach its first checkpoint, or interrupt it once: that writes one");
        }

        RunBase model = RunBase.OfRun(folder);
        (StateStore opened, RunProgress progress) = store.Open(StoreOwner.Of(model.Layout, settings.Numerics.Type, settings.Run), model.Layout);
        return new RunWeights(settings, model, opened, progress);
    }

    public void Dispose() => _store.Dispose();
}
