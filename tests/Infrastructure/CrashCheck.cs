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
    public static Result Run(int numKills, int seed)
    {
        string folder = Directory.CreateTempSubdirectory("offload-crash-").FullName;
        try
        {
            return Run(folder, numKills, new Random(seed));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Result Run(string folder, int numKills, Random random)
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
        int kills = 0;
        int afterCommit = 0;
        int finished = 0;
        while (kills < numKills || finished == 0)
        {
            using var process = new OffloadProcess([.. common, "--output", output, "--resume"]);
            if (kills < numKills && EndsByKill(process, random))
            {
                kills++;
                afterCommit += File.Exists(Path.Combine(output, "checkpoint", "commit.json")) ? 1 : 0;
                continue;
            }

            int exitCode = process.Wait();
            string? problem = exitCode != 0 ? $"a resumed run ended with {exitCode}: {process.Error}" : Difference(undisturbed, output, expectedHash);
            if (problem is not null)
            {
                return new Result(kills, afterCommit, finished, problem);
            }

            finished++;
            Directory.Delete(output, recursive: true);
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

    private static string? Difference(string undisturbed, string killed, string expectedHash)
    {
        string hash = ReadHash(killed);
        if (hash != expectedHash)
        {
            return $"expected weights {expectedHash}, found {hash}";
        }

        string[] expectedFiles = Files(undisturbed);
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

        long[] steps =
        [
            .. File.ReadLines(Path.Combine(killed, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)
                .Where(metrics => metrics.TryGetProperty("loss", out _)).Select(metrics => metrics.GetProperty("step").GetInt64()),
        ];
        return steps.SequenceEqual(Enumerable.Range(1, Steps).Select(step => (long)step)) ? null : $"metrics.jsonl: expected each step once, found {string.Join(", ", steps)}";
    }

    // Which of its two names the last state file has depends on how many checkpoints were written.
    private static string[] Files(string folder) =>
    [
        .. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(folder, file).Replace("state-1", "state-0", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];
}
