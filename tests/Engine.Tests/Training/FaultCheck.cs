using Microsoft.Extensions.Logging.Abstractions;
using Offload.Engine.Data;
using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Training;

/// <summary>
/// Law 4, faults: a run over a tiny model with states on drives, from the making of its store to its export, in which one operation of the
/// device fails. The error names path and operation, nothing leaks, and the run goes on from its last commit to the undisturbed run's weights.
/// </summary>
internal static class FaultCheck
{
    private static readonly (string Name, Fault Fault, string Expected)[] Faults =
    [
        ("EIO", Fault.Error(5), "EIO"),
        ("short transfer", Fault.ShortTransfer(512), "512"),
        ("ENOSPC", Fault.Error(28), "ENOSPC"),
    ];

    /// <summary>What happened.</summary>
    /// <param name="Operations">Operations of an undisturbed run.</param>
    /// <param name="Runs">Runs with a fault.</param>
    /// <param name="Refused">Of these, the ones that it ended with an error.</param>
    /// <param name="Resumed">Of these, the ones that had a commit to go on from.</param>
    /// <param name="Problem">The first that was wrong; null if nothing was.</param>
    public sealed record Result(long Operations, int Runs, int Refused, int Resumed, string? Problem);

    /// <summary>Runs it; libtorch must be loaded.</summary>
    /// <param name="every">1: each operation in each way; n: each n-th pair of the two.</param>
    public static Result Run(int every)
    {
        string folder = Directory.CreateTempSubdirectory("offload-faults-").FullName;
        try
        {
            return Run(folder, every);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Result Run(string folder, int every)
    {
        TinyModel.Write(Path.Combine(folder, "model"));
        TinyModel.WriteText(Path.Combine(folder, "data.txt"), numWords: 100);
        FaultInjectingDevice? undisturbed = null;
        string expected = Train(folder, inner => undisturbed = new FaultInjectingDevice(inner, new FaultPlan()), resume: false).WeightsHash;
        long numOperations = undisturbed!.NumOperations;
        Clear(folder);
        var result = new Result(numOperations, 0, 0, 0, null);
        for (long pair = 0; pair < numOperations * Faults.Length && result.Problem is null; pair += every)
        {
            (string name, Fault fault, string text) = Faults[pair % Faults.Length];
            long index = pair / Faults.Length;
            result = RunOne(folder, index, fault, text, expected, result);
            if (result.Problem is not null)
            {
                result = result with { Problem = $"{name} at operation {index} of {numOperations}: {result.Problem}" };
            }

            Clear(folder);
        }

        return result;
    }

    private static Result RunOne(string folder, long index, Fault fault, string text, string expected, Result result)
    {
        long buffersBefore = NativeBuffer.OutstandingBytes;
        long slotsBefore = SlotArena.OutstandingBytes;
        result = result with { Runs = result.Runs + 1 };
        try
        {
            // A short transfer does not touch a flush, and the run may be over before so many operations were made: their order varies.
            string hash = Train(folder, inner => new FaultInjectingDevice(inner, new FaultPlan().At(index, fault)), resume: false).WeightsHash;
            return hash == expected ? result : result with { Problem = $"no error, and weights {hash}" };
        }
        catch (StorageException error)
        {
            bool isNamed = error.Path.StartsWith(Path.Combine(folder, "nvme"), StringComparison.Ordinal)
                && error.Message.Contains(text, StringComparison.Ordinal)
                && (error.Message.Contains(" bytes at offset ", StringComparison.Ordinal) || error.Message.Contains("flush", StringComparison.Ordinal));
            if (!isNamed)
            {
                return result with { Problem = $"the message does not say what happened where: {error.Message}" };
            }
        }

        if ((NativeBuffer.OutstandingBytes, SlotArena.OutstandingBytes) != (buffersBefore, slotsBefore))
        {
            return result with { Problem = "native memory was left" };
        }

        result = result with { Refused = result.Refused + 1, Resumed = result.Resumed + (File.Exists(Path.Combine(folder, "nvme", StoreFiles.FileName)) ? 1 : 0) };
        string resumed = Train(folder, wrap: null, resume: true).WeightsHash;
        return resumed == expected ? result : result with { Problem = $"resumed to weights {resumed}, expected {expected}" };
    }

    private static TrainingResult Train(string folder, Func<IBlockDevice, IBlockDevice>? wrap, bool resume)
    {
        var options = new TrainingOptions
        {
            ModelFolder = Path.Combine(folder, "model"),
            FromScratch = true,
            DataFiles = [Path.Combine(folder, "data.txt")],
            OutputFolder = Path.Combine(folder, "run"),
            NvmeFolders = [Path.Combine(folder, "nvme")],
            Resume = resume,
            Steps = 2,
            SequenceTokens = 8,
            MicroBatchSequences = 1,
            TokensPerStep = 8,
            EvalFraction = 0,
            LearningRate = 1e-3,
            Type = ComputeType.Float32,
            Threads = 1,
            TileParameters = 4096,
            StoreFiles = new StoreFilesOptions { Engine = IoEngine.Threads, QueueDepth = 4, Wrap = wrap },
        };
        return new Trainer(options, new Silent(), NullLogger<Trainer>.Instance, TimeProvider.System).Run(CancellationToken.None);
    }

    private static void Clear(string folder)
    {
        foreach (string name in (string[])["run", "nvme"])
        {
            string path = Path.Combine(folder, name);
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }
        }
    }

    private sealed class Silent : ITrainingObserver
    {
        public void OnTokenizing(TokenizingProgress progress)
        {
        }

        public void OnStep(StepReport report)
        {
        }

        public void OnEvaluation(EvalReport report)
        {
        }
    }
}
