using System.Text.Json;

namespace Offload.Tests.Infrastructure;

/// <summary>
/// Law 4: <c>offload train</c> killed by SIGKILL at random moments, from its start to its export, and resumed each time, ends with the
/// weights of a run that nobody touched, and leaves the same files. A run that ends before all kills are spent begins anew.
/// </summary>
public static class CrashCheck
{
    private const int Steps = 24;

    /// <summary>What happened.</summary>
    /// <param name="Kills">Processes killed.</param>
    /// <param name="AfterCommit">Of these, the ones that a run survived with a commit.</param>
    /// <param name="Finished">Runs that came to their end.</param>
    /// <param name="Problem">The first difference; null if there is none.</param>
    public sealed record Result(int Kills, int AfterCommit, int Finished, string? Problem);

    /// <summary>Runs it.</summary>
    /// <param name="numKills">Processes to kill.</param>
    /// <param name="seed">Seed of the moments.</param>
    /// <param name="isOnDrives">With <c>--nvme</c>; the run that nobody touches has its states in memory all the same.</param>
    public static Result Run(int numKills, int seed, bool isOnDrives)
    {
        string folder = Directory.CreateTempSubdirectory("offload-crash-").FullName;
        try
        {
            return Run(folder, numKills, new Random(seed), isOnDrives);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Result Run(string folder, int numKills, Random random, bool isOnDrives)
    {
        string[] common =
        [
            "train", "--from-scratch", "--model", TinyModel.Write(Path.Combine(folder, "model")), "--data", TinyModel.WriteText(Path.Combine(folder, "data.txt")),
            "--steps", $"{Steps}", "--seq-len", "16", "--micro-batch", "2", "--tokens-per-step", "64", "--lr", "1e-3", "--checkpoint-every-steps", "1", "--threads", "1", "--json",
        ];
        string undisturbed = Path.Combine(folder, "undisturbed");
        string expectedHash;
        using (var process = new OffloadProcess([.. common, "--output", undisturbed]))
        {
            int exitCode = process.Wait();
            if (exitCode != 0)
            {
                return new Result(0, 0, 0, $"the undisturbed run ended with {exitCode}: {process.Error}");
            }

            expectedHash = ReadHash(undisturbed);
        }

        string output = Path.Combine(folder, "killed");
        string drive = Path.Combine(folder, "drive");
        string[] more = isOnDrives ? ["--nvme", drive] : [];
        int kills = 0;
        int afterCommit = 0;
        int finished = 0;
        while (kills < numKills || finished == 0)
        {
            using var process = new OffloadProcess([.. common, "--output", output, "--resume", .. more]);
            if (kills < numKills && EndsByKill(process, random))
            {
                kills++;
                afterCommit += File.Exists(Path.Combine(isOnDrives ? drive : Path.Combine(output, "checkpoint"), "states.offload")) ? 1 : 0;
                continue;
            }

            int exitCode = process.Wait();
            string? problem = exitCode != 0 ? $"a resumed run ended with {exitCode}: {process.Error}" : Difference(undisturbed, output, expectedHash, isOnDrives);
            if (problem is not null)
            {
                return new Result(kills, afterCommit, finished, problem);
            }

            finished++;
            Directory.Delete(output, recursive: true);
            if (isOnDrives)
            {
                Directory.Delete(drive, recursive: true);
            }
        }

        return new Result(kills, afterCommit, finished, null);
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
        return process.Wait() != 0;
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
}
