namespace Offload.Engine.Training;

/// <summary>Where a run stands; committed with each checkpoint.</summary>
internal sealed record RunProgress
{
    /// <summary>Steps done, skipped ones included: the next step's learning rate and data follow.</summary>
    public long Step { get; init; }

    /// <summary>Updates made: the optimizer's own step count.</summary>
    public long NumUpdates { get; init; }

    /// <summary>Steps skipped because loss or gradient was not finite.</summary>
    public long NumSkipped { get; init; }

    /// <summary>Of these, the ones since the last update: what the limit is on, also over an interruption.</summary>
    public long NumSkippedInARow { get; init; }

    /// <summary>Bytes that the device of the states has read, over all sittings.</summary>
    public long SsdBytesRead { get; init; }

    /// <summary>Bytes that it has written, over all sittings, the commit's own record not yet counted.</summary>
    public long SsdBytesWritten { get; init; }

    /// <summary>Of these, the ones before the first step: the store itself and its first weights.</summary>
    public long SsdBytesWrittenBeforeSteps { get; init; }

    /// <summary>Of the sitting that made the commit.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Loss of the last step.</summary>
    public double LastLoss { get; init; }

    /// <summary>Evaluation loss before the first step; null without evaluation.</summary>
    public double? EvalLossBefore { get; init; }
}
