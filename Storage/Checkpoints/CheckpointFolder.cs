using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Offload.Storage.Files;
using Offload.Storage.Memory;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Checkpoints;

/// <summary>
/// Checkpoints of a run whose states live in memory: the arrays as safetensors in one of two files, then a commit record that names
/// the file and its hashes. A write that does not reach its commit leaves the last checkpoint as it was. One thread at a time.
/// </summary>
/// <remarks>Layout: docs/run-folder.md. Room for two checkpoints is needed while one is written, for one afterwards.</remarks>
/// <param name="path">The folder; made at the first write.</param>
public sealed class CheckpointFolder(string path)
{
    private const string CommitFile = "commit.json";
    private const int ChunkBytes = 4 << 20;
    private const string NoHash = "0000000000000000";

    private static readonly string[] StateFiles = ["state-0.safetensors", "state-1.safetensors"];
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, RespectNullableAnnotations = true };

    /// <summary>The folder.</summary>
    public string Path { get; } = path;

    /// <summary>The last commit; null if there is none.</summary>
    /// <exception cref="StoreMismatchException">The record is malformed, or of another version.</exception>
    /// <exception cref="StorageException">Reading failed.</exception>
    public CheckpointCommit? ReadCommit()
    {
        string commitPath = System.IO.Path.Combine(Path, CommitFile);
        if (!File.Exists(commitPath))
        {
            return null;
        }

        try
        {
            byte[] record = File.ReadAllBytes(commitPath);
            CheckpointCommit commit = JsonSerializer.Deserialize<CheckpointCommit>(record, Options)
                ?? throw new JsonException("expected an object, found null");
            if (commit.Version != CheckpointCommit.CurrentVersion)
            {
                throw new StoreMismatchException(
                    commitPath, $"expected version {CheckpointCommit.CurrentVersion}, found {commit.Version}", "use the version of offload that wrote it");
            }

            string expectedHash = HashOfRecord(record, commit.RecordHash);
            if (commit.RecordHash != expectedHash)
            {
                throw new StoreMismatchException(commitPath, $"expected checksum {expectedHash}, found '{commit.RecordHash}'", "the file is damaged");
            }

            return StateFiles.Contains(commit.File)
                ? commit
                : throw new StoreMismatchException(commitPath, $"expected file {string.Join(" or ", StateFiles)}, found '{commit.File}'");
        }
        catch (JsonException error)
        {
            throw new StoreMismatchException(commitPath, $"not a commit record: {error.Message}", "the file is damaged", error);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(commitPath, "read", error);
        }
    }

    /// <summary>Writes a checkpoint and commits it.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="runState">What the run needs besides arrays to go on.</param>
    /// <param name="parts">The arrays.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="StorageException">The disk is full, or another error; the last checkpoint is as it was.</exception>
    public long Write(long step, JsonElement runState, IReadOnlyList<CheckpointPart> parts)
    {
        DurableFolder.Create(Path);
        string? last = ReadCommit()?.File;
        string file = StateFiles.First(name => name != last);
        var hashes = new Dictionary<string, string>(StringComparer.Ordinal);
        using (var writer = new SafetensorsWriter(
            System.IO.Path.Combine(Path, file), [.. parts.Select(part => new TensorSpec(part.Name, part.Type, part.Count))]))
        {
            foreach (CheckpointPart part in parts)
            {
                writer.BeginTensor(part.Name);
                var hash = new XxHash3();
                ForEachChunk(part.Buffer, (chunk, _) =>
                {
                    hash.Append(chunk);
                    writer.Write(chunk);
                });
                writer.EndTensor();
                hashes.Add(part.Name, Convert.ToHexStringLower(hash.GetCurrentHash()));
            }

            writer.Complete();
        }

        var commit = new CheckpointCommit
        {
            Version = CheckpointCommit.CurrentVersion,
            File = file,
            Step = step,
            RunState = runState,
            Hashes = hashes,
            RecordHash = NoHash,
        };
        byte[] record = JsonSerializer.SerializeToUtf8Bytes(commit, Options);
        commit = commit with { RecordHash = HashOfRecord(record, NoHash) };
        AtomicFile.Write(System.IO.Path.Combine(Path, CommitFile), JsonSerializer.SerializeToUtf8Bytes(commit, Options));
        if (last is not null)
        {
            DeleteReplaced(System.IO.Path.Combine(Path, last));
        }

        return parts.Sum(part => part.Buffer.SizeBytes);
    }

    /// <summary>Reads a committed checkpoint into memory and verifies its hashes.</summary>
    /// <param name="commit">From <see cref="ReadCommit"/>.</param>
    /// <param name="parts">Where to; names, types and sizes must be those of the checkpoint.</param>
    /// <exception cref="StoreMismatchException">Another model's checkpoint, or a damaged one.</exception>
    /// <exception cref="StorageException">Reading failed.</exception>
    public void Read(CheckpointCommit commit, IReadOnlyList<CheckpointPart> parts)
    {
        string file = System.IO.Path.Combine(Path, commit.File);
        using SafetensorsFile source = OpenState(file);
        foreach (CheckpointPart part in parts)
        {
            (TensorInfo tensor, string expectedHash) = Find(source, commit, part.Name);
            if (tensor.Type != part.Type || tensor.ElementCount != part.Count)
            {
                throw new StoreMismatchException(
                    file, $"'{part.Name}': expected {part.Type.Format()} [{part.Count}], found {tensor.Spec}", "the checkpoint belongs to another model");
            }

            var hash = new XxHash3();
            ForEachChunk(part.Buffer, (chunk, offset) =>
            {
                source.Read(tensor, offset, chunk);
                hash.Append(chunk);
            });
            RequireHash(file, part.Name, expectedHash, hash);
        }
    }

    /// <summary>
    /// Opens a committed checkpoint and verifies arrays of it in bounded memory, through the handle that it returns: what is read from
    /// it is what was verified, also when a writer commits meanwhile.
    /// </summary>
    /// <param name="commit">From <see cref="ReadCommit"/>. If a writer has committed since, its file may be gone or another's: read the commit again.</param>
    /// <param name="names">The arrays to verify.</param>
    /// <returns>The open file, the caller's.</returns>
    /// <exception cref="StoreMismatchException">The file is missing, another model's, or damaged.</exception>
    /// <exception cref="StorageException">Reading failed.</exception>
    public SafetensorsFile OpenVerified(CheckpointCommit commit, IEnumerable<string> names)
    {
        string file = System.IO.Path.Combine(Path, commit.File);
        SafetensorsFile source = OpenState(file);
        try
        {
            byte[] buffer = new byte[ChunkBytes];
            foreach (string name in names)
            {
                (TensorInfo tensor, string expectedHash) = Find(source, commit, name);
                var hash = new XxHash3();
                for (long offset = 0; offset < tensor.SizeBytes; offset += ChunkBytes)
                {
                    Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, tensor.SizeBytes - offset));
                    source.Read(tensor, offset, chunk);
                    hash.Append(chunk);
                }

                RequireHash(file, name, expectedHash, hash);
            }

            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private static SafetensorsFile OpenState(string file)
    {
        try
        {
            return SafetensorsFile.Open(file);
        }
        catch (UnreadableInputException error)
        {
            throw new StoreMismatchException(file, "the commit record names this file, but it cannot be read", error.Message, error);
        }
    }

    private static (TensorInfo Tensor, string Hash) Find(SafetensorsFile source, CheckpointCommit commit, string name) =>
        source.Header.Tensors.TryGetValue(name, out TensorInfo? tensor) && commit.Hashes.TryGetValue(name, out string? hash)
            ? (tensor, hash)
            : throw new StoreMismatchException(source.Path, $"expected an array '{name}', found none", "the checkpoint belongs to another model");

    private static void RequireHash(string file, string name, string expectedHash, XxHash3 hash)
    {
        string actualHash = Convert.ToHexStringLower(hash.GetCurrentHash());
        if (actualHash != expectedHash)
        {
            throw new StoreMismatchException(file, $"'{name}': expected checksum {expectedHash}, found {actualHash}", "the file is damaged");
        }
    }

    private static string HashOfRecord(byte[] record, string recordHash)
    {
        byte[] copy = [.. record];
        int place = copy.AsSpan().LastIndexOf(Encoding.UTF8.GetBytes(recordHash));
        if (place >= 0 && recordHash.Length == NoHash.Length)
        {
            copy.AsSpan(place, NoHash.Length).Fill((byte)'0');
        }

        return Convert.ToHexStringLower(XxHash3.Hash(copy));
    }

    private static void DeleteReplaced(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(file, "delete the checkpoint before the last", error);
        }
    }

    private static void ForEachChunk(NativeBuffer buffer, ChunkAction action)
    {
        for (long offset = 0; offset < buffer.SizeBytes; offset += ChunkBytes)
        {
            action(buffer.AsSpan<byte>(offset, (int)Math.Min(ChunkBytes, buffer.SizeBytes - offset)), offset);
        }
    }

    private delegate void ChunkAction(Span<byte> chunk, long offset);
}
