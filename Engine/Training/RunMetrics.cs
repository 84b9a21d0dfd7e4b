using System.Text;
using System.Text.Json;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Engine.Training;

/// <summary>A run's metrics.jsonl: a line for each step and each evaluation. One thread at a time.</summary>
/// <param name="path">The file; made by the first line.</param>
internal sealed class RunMetrics(string path)
{
    private bool _isFolderFlushed;

    /// <summary>Appends a line.</summary>
    /// <exception cref="StorageException">Writing failed.</exception>
    public void Append<T>(T metrics) => Change("append a line", () => File.AppendAllText(path, JsonSerializer.Serialize(metrics, RunJson.Compact) + "\n"));

    /// <summary>Makes the lines durable.</summary>
    /// <exception cref="StorageException">Flushing failed.</exception>
    public void Flush() => Change("flush", () =>
    {
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
        file.Flush(flushToDisk: true);
        if (!_isFolderFlushed)
        {
            AtomicFile.SyncFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
            _isFolderFlushed = true;
        }
    });

    /// <summary>Deletes all lines.</summary>
    /// <exception cref="StorageException">Deleting failed.</exception>
    public void Clear() => Change("delete", () => File.Delete(path));

    /// <summary>Drops the lines of what will be done again, and a last line that is not whole.</summary>
    /// <param name="step">Steps done at the commit: later ones are dropped.</param>
    /// <param name="keepsEvaluation">Whether an evaluation after that very step is kept.</param>
    /// <returns>Whether an evaluation after that step is there.</returns>
    /// <exception cref="StorageException">Reading or writing failed.</exception>
    public bool Keep(long step, bool keepsEvaluation)
    {
        bool isEvaluated = false;
        Change("drop lines", () =>
        {
            if (!File.Exists(path))
            {
                return;
            }

            var kept = new StringBuilder();
            foreach (string line in File.ReadLines(path))
            {
                (long lineStep, bool isEvaluation) = Parse(line);
                if (lineStep < step || (lineStep == step && (!isEvaluation || keepsEvaluation)))
                {
                    kept.Append(line).Append('\n');
                    isEvaluated |= isEvaluation && lineStep == step;
                }
            }

            AtomicFile.Write(path, Encoding.UTF8.GetBytes(kept.ToString()));
        });
        return isEvaluated;
    }

    /// <summary>The step of a line; the largest number for a line that was cut off.</summary>
    private static (long Step, bool IsEvaluation) Parse(string line)
    {
        try
        {
            using JsonDocument metrics = JsonDocument.Parse(line);
            return (metrics.RootElement.GetProperty("step").GetInt64(), metrics.RootElement.TryGetProperty("evalLoss", out _));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return (long.MaxValue, false);
        }
    }

    private void Change(string operation, Action change)
    {
        try
        {
            change();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(path, operation, error.Message, cause: error);
        }
    }
}
