namespace Offload.Engine.Training;

/// <summary>What a finished run gave; stored with it as result.json.</summary>
public record TrainingResult
{
    /// <summary>Loss of the last step.</summary>
    public required double FinalLoss { get; init; }

    /// <summary>Evaluation loss before the first step; null without evaluation.</summary>
    public required double? EvalLossBefore { get; init; }

    /// <summary>Evaluation loss after the last step; null without evaluation.</summary>
    public required double? EvalLoss { get; init; }

    /// <summary>Steps done.</summary>
    public required long Steps { get; init; }

    /// <summary>Steps skipped because loss or gradient was not finite.</summary>
    public required long SkippedSteps { get; init; }

    /// <summary>Over the steps of the last sitting that made any, evaluation and checkpoints not counted.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Fingerprint of the trained master weights.</summary>
    public required string WeightsHash { get; init; }

    /// <summary>Bytes that the device of the states has read, over all sittings as far as they were committed.</summary>
    public required long SsdBytesRead { get; init; }

    /// <summary>Bytes that the device of the states has written, over all sittings as far as they were committed.</summary>
    public required long SsdBytesWritten { get; init; }

    /// <summary>Of these, for each step: what was written before the first step is not counted.</summary>
    public required double SsdBytesPerStep { get; init; }

    /// <summary>Steps until the drives' rating is used up; null if no rating was given, or nothing was written.</summary>
    public required double? DriveLifeSteps { get; init; }

    /// <summary>Days until the drives' rating is used up at this rate; null if no rating was given, or nothing was written.</summary>
    public required double? DriveLifeDays { get; init; }

    /// <summary>Highest resident memory of the process.</summary>
    public required long PeakCpuBytes { get; init; }

    /// <summary>Highest memory on the GPU.</summary>
    public required long PeakGpuBytes { get; init; }

    /// <summary>Folder of the run.</summary>
    public required string Output { get; init; }

    /// <summary>Folder of the exported model; null if it was not exported.</summary>
    public required string? ModelFolder { get; init; }
}
