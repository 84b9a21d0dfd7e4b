using System.Text.Json;
using Offload.Engine.States;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>Makes a run's commits. One thread at a time; what it tells, any thread may ask.</summary>
/// <param name="states">What is committed; borrowed.</param>
/// <param name="store">Where to; borrowed.</param>
/// <param name="records">Tell the rate.</param>
internal sealed class RunCommitter(IStoredStates states, StateStore store, StepRecords records)
{
    private RunProgress _before = new();
    private volatile RunProgress _committed = new();
    private volatile bool _hasFailed;

    /// <summary>The last commit; the beginning of a run if there is none.</summary>
    public RunProgress Committed => _committed;

    /// <summary>A commit failed: no other is to be tried.</summary>
    public bool HasFailed => _hasFailed;

    /// <summary>Bytes that the device of the states has read, over all sittings.</summary>
    public long BytesRead => _before.SsdBytesRead + store.Device.Traffic.BytesRead;

    /// <summary>Bytes that it has written, over all sittings.</summary>
    public long BytesWritten => _before.SsdBytesWritten + store.Device.Traffic.BytesWritten;

    /// <summary>Goes on from a commit.</summary>
    public void Resume(RunProgress committed)
    {
        _before = committed;
        _committed = committed;
    }

    /// <summary>Commits states that the store does not hold yet, or not all of them.</summary>
    /// <param name="progress">Where the states are.</param>
    /// <exception cref="Storage.StorageException">The device failed.</exception>
    public void SaveAndCommit(RunProgress progress)
    {
        // The average first: a checkpoint is no part of the steps.
        Commit(progress, Rate(progress), states.Save);
    }

    /// <summary>Commits states that were written to the store.</summary>
    /// <param name="progress">Where they are.</param>
    /// <exception cref="Storage.StorageException">The device failed.</exception>
    public void Commit(RunProgress progress) => Commit(progress, Rate(progress), save: null);

    private double Rate(RunProgress progress) => progress.Step == _committed.Step ? _committed.TokensPerSecond : records.AverageTokensPerSecond();

    private void Commit(RunProgress progress, double tokensPerSecond, Action? save)
    {
        try
        {
            save?.Invoke();
            RunProgress committed = progress with { SsdBytesRead = BytesRead, SsdBytesWritten = BytesWritten, TokensPerSecond = tokensPerSecond };
            store.Commit(committed.Step, JsonSerializer.SerializeToUtf8Bytes(committed, RunJson.Compact));
            _committed = committed;
        }
        catch
        {
            _hasFailed = true;
            throw;
        }
    }
}
