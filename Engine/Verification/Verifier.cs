using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Verification;

/// <summary>Checks the engine against a folder of reference cases (docs/verify.md). libtorch must be loaded.</summary>
public static class Verifier
{
    /// <summary>Runs all cases of a folder, in ordinal order of their names.</summary>
    /// <param name="folder">One subfolder a case.</param>
    /// <param name="report">Told of each case as it ends.</param>
    /// <param name="cancellation">Stops between cases.</param>
    /// <exception cref="UnreadableInputException">The folder is missing or holds no case.</exception>
    public static IReadOnlyList<CaseResult> Run(string folder, Action<CaseResult> report, CancellationToken cancellation)
    {
        if (!Directory.Exists(folder))
        {
            throw new UnreadableInputException(folder, "there is no such folder", "give a folder of reference cases, see docs/verify.md");
        }

        string[] cases = [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal)];
        if (cases.Length == 0)
        {
            throw new UnreadableInputException(folder, "expected one subfolder a case, found none", "see docs/verify.md for the layout");
        }

        using var threads = new ParallelRanges(Environment.ProcessorCount);
        var results = new List<CaseResult>();
        foreach (string caseFolder in cases)
        {
            cancellation.ThrowIfCancellationRequested();
            CaseResult result = RunCase(caseFolder, threads);
            results.Add(result);
            report(result);
        }

        return results;
    }

    private static CaseResult RunCase(string folder, ParallelRanges threads)
    {
        string name = Path.GetFileName(folder);
        string kind = KindOf(folder);
        try
        {
            return kind switch
            {
                "model" when HubConfig.UnsupportedFamily(folder) is { } why => Unsupported(why),
                "model" => new ModelCase(folder, threads).Run(),
                "tokenizer" => TokenizerCase.Run(folder),
                "adapter" => Unsupported("adapters are not supported yet"),
                _ => Unsupported("neither config.json, tokenizer.json nor adapter/ with an expected.json"),
            };
        }
        catch (OffloadException error)
        {
            return Failed(error.Message);
        }
#pragma warning disable CA1031 // Whatever a case does, the others are run and it counts as failed.
        catch (Exception error) when (error is not OperationCanceledException)
#pragma warning restore CA1031
        {
            return Failed($"{error.GetType().Name}: {error.Message}");
        }

        CaseResult Failed(string why) => new(name, kind, CaseStatus.Failed, new Dictionary<string, double>(), why);


        CaseResult Unsupported(string why) => new(name, kind, CaseStatus.Unsupported, new Dictionary<string, double>(), why);
    }

    private static string KindOf(string folder)
    {
        if (!File.Exists(Path.Combine(folder, "expected.json")))
        {
            return "unknown";
        }

        return Directory.Exists(Path.Combine(folder, "adapter")) ? "adapter"
            : File.Exists(Path.Combine(folder, "config.json")) ? "model"
            : File.Exists(Path.Combine(folder, "tokenizer.json")) || File.Exists(Path.Combine(folder, "tokenizer.model")) ? "tokenizer"
            : "unknown";
    }
}
