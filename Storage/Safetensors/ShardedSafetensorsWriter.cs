using System.Buffers;
using System.Text.Json;
using Offload.Storage.Files;

namespace Offload.Storage.Safetensors;

/// <summary>
/// Writes the weights of a model as the Hugging Face Hub lays them out: <c>model.safetensors</c> if they fit into one file,
/// otherwise <c>model-00001-of-0000N.safetensors</c> and <c>model.safetensors.index.json</c>. One thread at a time.
/// </summary>
/// <remarks>
/// It writes into the staging of an <see cref="AtomicFolder"/>, beside whatever else belongs to the model; the caller commits the
/// folder after <see cref="Complete"/>, and so the model appears, or replaces a previous one, in one step.
/// </remarks>
public sealed class ShardedSafetensorsWriter : IDisposable
{
    private readonly string _folder;
    private readonly List<List<TensorSpec>> _shards;
    private readonly long _totalSizeBytes;
    private int _shardIndex;
    private SafetensorsWriter _writer;

    /// <summary>Plans the shards and checks that all of them fit on the disk before a byte is written.</summary>
    /// <param name="folder">Where the model will appear.</param>
    /// <param name="tensors">All tensors, in the order in which they will be written.</param>
    /// <param name="maxShardSizeBytes">Most bytes of data in a shard; a single larger tensor gets a shard of its own.</param>
    /// <exception cref="ArgumentException">Two tensors have one name.</exception>
    /// <exception cref="StorageException">The disk has too little space, or the system refused.</exception>
    public ShardedSafetensorsWriter(AtomicFolder folder, IReadOnlyList<TensorSpec> tensors, long maxShardSizeBytes = DefaultMaxShardSizeBytes)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardSizeBytes);
        _folder = folder.StagingPath;
        _shards = Split(tensors, maxShardSizeBytes);
        var names = new HashSet<string>();
        if (tensors.FirstOrDefault(tensor => !names.Add(tensor.Name)) is { } repeated)
        {
            throw new ArgumentException($"tensor {DisplayText.Quote(repeated.Name)} occurs twice", nameof(tensors));
        }

        _totalSizeBytes = tensors.Aggregate(0L, (sum, tensor) => checked(sum + tensor.SizeBytes));
        long indexSizeBytes = _shards.Count == 1 ? 0 : FormatIndex().Length;
        DiskSpace.Require(
            folder.Path, _shards.Aggregate(indexSizeBytes, (sum, shard) => checked(sum + SafetensorsLayout.Create(shard).FileSizeBytes)));
        _writer = new SafetensorsWriter(ShardPath(0), _shards[0]);
    }

    /// <summary>5 GB, for long the Hub's own default.</summary>
    public const long DefaultMaxShardSizeBytes = 5_000_000_000;

    /// <inheritdoc cref="SafetensorsWriter.BeginTensor"/>
    /// <exception cref="StorageException">A full shard could not be completed, or the next one not begun.</exception>
    public void BeginTensor(string name)
    {
        if (_writer.IsFull && _shardIndex < _shards.Count - 1)
        {
            _writer.Complete();
            _writer.Dispose();
            _shardIndex++;
            _writer = new SafetensorsWriter(ShardPath(_shardIndex), _shards[_shardIndex]);
        }

        _writer.BeginTensor(name);
    }

    /// <inheritdoc cref="SafetensorsWriter.Write"/>
    public void Write(ReadOnlySpan<byte> contents) => _writer.Write(contents);

    /// <inheritdoc cref="SafetensorsWriter.EndTensor"/>
    public void EndTensor() => _writer.EndTensor();

    /// <summary>Completes the last shard and writes the index. Blocks until the disk has both.</summary>
    /// <exception cref="InvalidOperationException">Tensors are missing.</exception>
    /// <exception cref="StorageException">The system refused.</exception>
    public void Complete()
    {
        if (_shardIndex != _shards.Count - 1)
        {
            throw new InvalidOperationException($"expected {_shards.Count} shards, found {_shardIndex + 1} begun");
        }

        _writer.Complete();
        if (_shards.Count > 1)
        {
            AtomicFile.Write(Path.Join(_folder, "model.safetensors.index.json"), FormatIndex());
        }
    }

    /// <summary>Removes the shard that is open; the folder's own disposal removes the rest.</summary>
    public void Dispose() => _writer.Dispose();

    private static List<List<TensorSpec>> Split(IReadOnlyList<TensorSpec> tensors, long maxShardSizeBytes)
    {
        var shards = new List<List<TensorSpec>> { new() };
        long shardSizeBytes = 0;
        foreach (TensorSpec tensor in tensors)
        {
            if (shards[^1].Count > 0 && tensor.SizeBytes > maxShardSizeBytes - shardSizeBytes)
            {
                shards.Add([]);
                shardSizeBytes = 0;
            }

            shards[^1].Add(tensor);
            shardSizeBytes = checked(shardSizeBytes + tensor.SizeBytes);
        }

        return shards;
    }

    private string ShardName(int index) =>
        _shards.Count == 1 ? "model.safetensors" : $"model-{index + 1:D5}-of-{_shards.Count:D5}.safetensors";

    private string ShardPath(int index) => Path.Join(_folder, ShardName(index));

    private byte[] FormatIndex()
    {
        var output = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", _totalSizeBytes);
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            for (int index = 0; index < _shards.Count; index++)
            {
                foreach (TensorSpec tensor in _shards[index])
                {
                    json.WriteString(tensor.Name, ShardName(index));
                }
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }
}
