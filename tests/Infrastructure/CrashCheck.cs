using System.Text.Json;
using Offload.Storage.States;

namespace Offload.Tests.Infrastructure;

/// <summary>
/// Law 4: <c>offload train</c> killed by SIGKILL at random moments, from its start to its export, and resumed each time, loses no step that was
/// committed, goes on right behind the last commit, ends with the weights of a run that nobody touched, and leaves the same files. A run that
/// ends before all kills are spent begins anew.
/// </summary>
public static class CrashCheck
{
    private const int Steps = 24;
    private const int SeldomCommits = 3;
    private const int EvaluationsBetween = 2;

    /// <summary>What .NET reports of a process that a SIGKILL ended: 128 and the signal's number.</summary>
    private const int Killed = 128 + 9;

    /// <summary>No commit.</summary>
    private const long None = -1;

    /// <summary>Where the states live and how often they are committed.</summary>
    public enum States
    {
        /// <summary>In memory, with a checkpoint after every step.</summary>
        InMemory,

        /// <summary>On drives, committed after every step.</summary>
        OnDrives,

        /// <summary>On drives, committed after every third step, with an evaluation after every second.</summary>
        OnDrivesSeldomCommitted,

        /// <summary>On drives, the model swapped between tiers, by another plan after each kill; sometimes resident.</summary>
        Swapped,
    }

    /// <summary>Plans of <see cref="States.Swapped"/>; the last one is none.</summary>
    private static readonly string[][] Plans =
    [
        ["--update", "deferred", "--states", "nvme"],
        ["--update", "speculative", "--states", "nvme"],
        ["--update", "speculative", "--states", "cpu"],
        ["--update", "separate"],
        ["--schedule", "micro-batch-major", "--update", "deferred"],
        ["--schedule", "fuyou"],
        ["--schedule", "zero-infinity"],
        ["--gpu-memory", "1GiB"],
        [],
    ];

    /// <summary>What happened.</summary>
    /// <param name="Kills">Processes killed.</param>
    /// <param name="AfterCommit">Of these, the ones that a run survived with a commit.</param>
    /// <param name="KnownCommits">Of these, the ones before which a step was known to be committed, and was found to be.</param>
    /// <param name="Reopened">Of these, the ones whose store was opened under its lock at once, and found where it was read to be.</param>
    /// <param name="Continued">Processes whose first step was seen to be the one behind the last commit.</param>
    /// <param name="Finished">Runs that came to their end.</param>
    /// <param name="Problem">The first difference; null if there is none.</param>
    public sealed record Result(int Kills, int AfterCommit, int KnownCommits, int Reopened, int Continued, int Finished, string? Problem);

    /// <summary>Runs it.</summary>
    /// <param name="numKills">Processes to kill.</param>
    /// <param name="seed">Seed of the moments.</param>
    /// <param name="states">Where they live; the run that nobody touches has them in memory all the same.</param>
    public static Result Run(int numKills, int seed, States states)
    {
        string folder = Directory.CreateTempSubdirectory("offload-crash-").FullName;
        try
        {
            return Run(folder, numKills, new Random(seed), states);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Result Run(string folder, int numKills, Random random, States states)
    {
        bool isOnDrives = states != States.InMemory;
        string[] evaluations = states == States.OnDrivesSeldomCommitted ? ["--eval-every", $"{EvaluationsBetween}"] : [];
        string[] common =
        [
            "train", "--from-scratch", "--model", TinyModel.Write(Path.Combine(folder, "model")), "--data", TinyModel.WriteText(Path.Combine(folder, "data.txt")),
            "--steps", $"{Steps}", "--seq-len", "16", "--micro-batch", "2", "--tokens-per-step", "64", "--lr", "1e-3", "--checkpoint-every-steps", "1", "--threads", "1", "--json",
            .. evaluations,
        ];
        string undisturbed = Path.Combine(folder, "undisturbed");
        var result = new Result(0, 0, 0, 0, 0, 0, null);
        string expectedHash;
        using (var process = new OffloadProcess([.. common, "--output", undisturbed]))
        {
            int exitCode = process.Wait();
            if (exitCode != 0)
            {
                return result with { Problem = $"the undisturbed run ended with {exitCode}: {process.Error}" };
            }

            expectedHash = ReadHash(undisturbed);
        }

        string output = Path.Combine(folder, "killed");
        string drive = Path.Combine(folder, "drive");
        string store = isOnDrives ? drive : Path.Combine(output, "checkpoint");
        int commitEvery = states == States.OnDrivesSeldomCommitted ? SeldomCommits : 1;
        string[] more = isOnDrives ? ["--nvme", drive, "--commit-every", $"{commitEvery}"] : [];
        long known = None;
        long committed = None;
        while (result.Kills < numKills || result.Finished == 0)
        {
            string[] plan = states == States.Swapped ? Plans[random.Next(Plans.Length)] : [];
            using var process = new OffloadProcess([.. common, "--output", output, "--resume", .. more, .. plan]);
            bool isKilled = result.Kills < numKills && EndsByKill(process, random);
            int exitCode = process.Wait();
            if (exitCode != (isKilled ? Killed : 0))
            {
                return result with { Problem = $"a resumed run ended with {exitCode}: {process.Error}" };
            }

            SeenLine[] lines = [.. SeenLine.Parse(process.Output)];
            if (lines.FirstOrDefault(line => line.IsStep) is { } first)
            {
                long expectedStep = Math.Max(committed, 0) + 1;
                if (first.Step != expectedStep)
                {
                    return result with { Problem = $"expected to go on with step {expectedStep} after the commit of step {committed}, found step {first.Step}" };
                }

                result = result with { Continued = result.Continued + 1 };
            }
            else if (!isKilled && committed < Steps)
            {
                return result with { Problem = $"a run ended without a step after the commit of step {committed}" };
            }

            if (isKilled)
            {
                result = result with { Kills = result.Kills + 1 };
                if (states != States.Swapped)
                {
                    // A step of a swapped model is told when it is decided; its commit may be two steps behind.
                    known = Math.Max(known, lines.Select(line => line.KnownCommit(commitEvery, isOnDrives)).DefaultIfEmpty(None).Max());
                }

                result = CheckCommit(store, known, reopens: random.Next(2) == 0, result, out committed);
                known = Math.Max(known, committed);
                if (result.Problem is not null)
                {
                    return result;
                }

                continue;
            }

            string? problem = Difference(undisturbed, output, expectedHash, isOnDrives);
            if (problem is not null)
            {
                return result with { Problem = problem };
            }

            result = result with { Finished = result.Finished + 1 };
            known = None;
            committed = None;
            Directory.Delete(output, recursive: true);
            if (isOnDrives)
            {
                Directory.Delete(drive, recursive: true);
            }
        }

        return result;
    }

    /// <summary>Reads, right after a kill, where the store stands.</summary>
    private static Result CheckCommit(string store, long known, bool reopens, Result result, out long committed)
    {
        committed = None;
        try
        {
            committed = StoreFiles.TryReadSummary([store])?.LastCommit?.Step ?? None;
            if (committed < known)
            {
                return result with { Problem = $"step {known} was committed before the kill, the store stands at step {committed} after it" };
            }

            result = result with
            {
                AfterCommit = result.AfterCommit + (committed >= 0 ? 1 : 0),
                KnownCommits = result.KnownCommits + (known >= 0 ? 1 : 0),
            };
            if (!reopens || committed < 0)
            {
                return result;
            }

            using StateStore opened = StoreFiles.Open([store]);
            return opened.LastCommit!.Step == committed
                ? result with { Reopened = result.Reopened + 1 }
                : result with { Problem = $"the store was read at step {committed} and opened at step {opened.LastCommit.Step}" };
        }
        catch (Offload.Profiles.OffloadException error)
        {
            return result with { Problem = $"right after a kill: {error.Message}" };
        }
    }

    /// <summary>Waits for a random number of lines, then a few milliseconds, and kills; false if the process was done before.</summary>
    private static bool EndsByKill(OffloadProcess process, Random random)
    {
        // One in six within the start, before anything is printed; the others between two steps, or in the evaluation and export at the end.
        if (random.Next(6) == 0)
        {
            Thread.Sleep(random.Next(1500));
        }
        else
        {
            for (int lines = random.Next(1, 14); lines > 0; lines--)
            {
                if (process.ReadLine() is null)
                {
                    return false;
                }
            }

            Thread.Sleep(random.Next(25));
        }

        process.Kill();
        return process.Wait() == Killed;
    }

    private static string ReadHash(string run) => ReadJson(Path.Combine(run, "result.json")).GetProperty("weightsHash").GetString()!;

    private static JsonElement ReadJson(string path) => JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;

    private static string? Difference(string undisturbed, string killed, string expectedHash, bool isOnDrives)
    {
        string hash = ReadHash(killed);
        if (hash != expectedHash)
        {
            return $"expected weights {expectedHash}, found {hash}";
        }

        string[] expectedFiles = isOnDrives
            ? [.. Files(undisturbed).Select(file => file.StartsWith("checkpoint", StringComparison.Ordinal) ? "store.json" : file).Order(StringComparer.Ordinal)]
            : Files(undisturbed);
        string[] files = Files(killed);
        if (!files.SequenceEqual(expectedFiles))
        {
            return $"expected the files {string.Join(", ", expectedFiles)}; found {string.Join(", ", files)}";
        }

        byte[] expectedModel = File.ReadAllBytes(Path.Combine(undisturbed, "model", "model.safetensors"));
        if (!File.ReadAllBytes(Path.Combine(killed, "model", "model.safetensors")).SequenceEqual(expectedModel))
        {
            return "the exported models differ";
        }

        // Each step and each evaluation once.
        string expectedMetrics = Metrics(undisturbed);
        string metrics = Metrics(killed);
        return metrics == expectedMetrics ? null : $"metrics.jsonl: expected {expectedMetrics}, found {metrics}";
    }

    private static string Metrics(string folder) => string.Join(", ", File.ReadLines(Path.Combine(folder, "metrics.jsonl"))
        .Select(line => JsonDocument.Parse(line).RootElement)
        .Select(metrics => $"{(metrics.TryGetProperty("loss", out _) ? "step" : "evaluation")} {metrics.GetProperty("step").GetInt64()}"));

    private static string[] Files(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal)];

    /// <summary>A step or an evaluation that a process told of.</summary>
    private sealed record SeenLine(long Step, bool IsStep)
    {
        /// <summary>Those of an output; its last line may be cut off.</summary>
        public static IEnumerable<SeenLine> Parse(string output)
        {
            foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Where(line => line.EndsWith('}')))
            {
                using JsonDocument json = JsonDocument.Parse(line);
                if (json.RootElement.TryGetProperty("step", out JsonElement step))
                {
                    yield return new SeenLine(step.GetInt64(), json.RootElement.TryGetProperty("loss", out _));
                }
            }
        }

        /// <summary>
        /// The last step that must be committed when this line is written: a step is told before its commit, so the one before it; an evaluation comes
        /// after. States on drives are committed before the first step, too, and after the last step in any case.
        /// </summary>
        public long KnownCommit(int commitEvery, bool isOnDrives)
        {
            long done = IsStep ? Step - 1 : Step;
            long commit = done == Steps ? Steps : done - (done % commitEvery);
            return commit > 0 || isOnDrives ? commit : None;
        }
    }
}
