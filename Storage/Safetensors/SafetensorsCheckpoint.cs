using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Offload.Storage.Files;

namespace Offload.Storage.Safetensors;

/// <summary>
/// The weights of a model as the Hugging Face Hub lays them out: one <c>model.safetensors</c>, or shards with an index. Opening
/// reads headers only; data is read where it is asked for, by any number of threads at once.
/// </summary>
public sealed class SafetensorsCheckpoint : IDisposable
{
    private const string SingleName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";

    // Large enough that a system call costs nothing beside it, small enough for the second-level cache.
    private const int ChunkSizeBytes = 256 << 10;

    private readonly List<SafetensorsFile> _files;
    private readonly Dictionary<string, SafetensorsFile> _fileOf = [];
    private readonly OrderedDictionary<string, TensorInfo> _tensors = [];

    private SafetensorsCheckpoint(string path, List<SafetensorsFile> files)
    {
        Path = path;
        _files = files;
        foreach (SafetensorsFile file in files)
        {
            foreach (TensorInfo tensor in file.Header.Tensors.Values)
            {
                if (!_tensors.TryAdd(tensor.Name, tensor))
                {
                    throw new UnreadableInputException(
                        path, $"tensor {DisplayText.Quote(tensor.Name)} is in two shards: {_fileOf[tensor.Name].Path} and {file.Path}");
                }

                _fileOf.Add(tensor.Name, file);
            }
        }
    }

    /// <summary>The folder or file as it was given.</summary>
    public string Path { get; }

    /// <summary>All tensors by name; enumerates shard by shard in the order of the data.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>The files, in the order of their names.</summary>
    public IReadOnlyList<string> Files => [.. _files.Select(file => file.Path)];

    /// <summary>Opens a model folder, or a single safetensors file of any name.</summary>
    /// <exception cref="UnreadableInputException">
    /// The folder or file is missing, holds no safetensors model, or a header or the index is malformed.
    /// </exception>
    /// <exception cref="StorageException">The system failed to read.</exception>
    public static SafetensorsCheckpoint Open(string path)
    {
        var files = new List<SafetensorsFile>();
        try
        {
            string index = System.IO.Path.Join(path, IndexName);
            if (!Directory.Exists(path))
            {
                files.Add(OpenFile(path));
            }
            else if (System.IO.Path.Join(path, SingleName) is { } single && File.Exists(single))
            {
                files.Add(SafetensorsFile.Open(single));
            }
            else if (File.Exists(index))
            {
                OpenShards(path, index, files);
            }
            else
            {
                throw NoModel(path);
            }

            return new SafetensorsCheckpoint(path, files);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <summary>Finds a tensor.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out TensorInfo? tensor) => _tensors.TryGetValue(name, out tensor);

    /// <summary>Finds a tensor that must be there.</summary>
    /// <exception cref="UnreadableInputException">There is none of this name.</exception>
    public TensorInfo Get(string name) => _tensors.TryGetValue(name, out TensorInfo? tensor)
        ? tensor
        : throw new UnreadableInputException(
            Path, $"expected a tensor {DisplayText.Quote(name)}, found none of that name among {_tensors.Count}");

    /// <summary>Reads a part of a tensor's data as it is in the file. Blocks; any thread.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="byteOffset">Where to begin, in bytes from the start of the tensor's data.</param>
    /// <param name="destination">Filled whole.</param>
    /// <exception cref="UnreadableInputException">There is no such tensor.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The part reaches beyond the tensor.</exception>
    /// <exception cref="StorageException">The system failed to read.</exception>
    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        TensorInfo tensor = Get(name);
        _fileOf[name].Read(tensor, byteOffset, destination);
    }

    /// <summary>
    /// Reads a part of a floating-point tensor as float, in chunks, so that memory beyond <paramref name="destination"/> is
    /// bounded. F16, BF16 and F32 are exact; F64 is rounded to nearest. Blocks; any thread.
    /// </summary>
    /// <param name="name">The tensor.</param>
    /// <param name="elementOffset">Where to begin, in elements.</param>
    /// <param name="destination">Filled whole.</param>
    /// <exception cref="UnreadableInputException">There is no such tensor, or it is not floating-point.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The part reaches beyond the tensor.</exception>
    /// <exception cref="StorageException">The system failed to read.</exception>
    public void ReadAsSingle(string name, long elementOffset, Span<float> destination)
    {
        TensorInfo tensor = Get(name);
        SafetensorsFile file = _fileOf[name];
        if (!tensor.Type.IsFloatingPoint())
        {
            throw new UnreadableInputException(
                $"{file.Path}: tensor {DisplayText.Quote(name)}", $"expected F16, BF16, F32 or F64, found {tensor.Type.Format()}");
        }

        ArgumentOutOfRangeException.ThrowIfNegative(elementOffset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elementOffset, tensor.ElementCount - destination.Length);
        int elementSizeBytes = tensor.Type.SizeBytes();
        if (tensor.Type == ElementType.F32)
        {
            file.Read(tensor, elementOffset * elementSizeBytes, MemoryMarshal.AsBytes(destination));
            return;
        }

        byte[] chunk = ArrayPool<byte>.Shared.Rent(ChunkSizeBytes);
        try
        {
            int chunkElements = ChunkSizeBytes / elementSizeBytes;
            for (int done = 0; done < destination.Length; done += chunkElements)
            {
                Span<float> part = destination.Slice(done, Math.Min(chunkElements, destination.Length - done));
                Span<byte> source = chunk.AsSpan(0, part.Length * elementSizeBytes);
                file.Read(tensor, (elementOffset + done) * elementSizeBytes, source);
                FloatConversion.ToSingle(tensor.Type, source, part);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }
    }

    /// <summary>Closes all files.</summary>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private static SafetensorsFile OpenFile(string path)
    {
        if (!File.Exists(path))
        {
            throw new UnreadableInputException(
                path, "there is no such folder or file", "Give the folder of a Hugging Face model, with config.json and model.safetensors.");
        }

        return path.EndsWith(".safetensors", StringComparison.Ordinal)
            ? SafetensorsFile.Open(path)
            : throw new UnreadableInputException(path, "expected a model folder or a .safetensors file");
    }

    private static void OpenShards(string folder, string indexPath, List<SafetensorsFile> files)
    {
        OrderedDictionary<string, string> weightMap = SafetensorsIndex.Read(indexPath);
        var shards = new Dictionary<string, SafetensorsFile>();
        string[] names = [.. weightMap.Values.Distinct().Order(StringComparer.Ordinal)];
        string[] missing = [.. names.Where(name => !File.Exists(System.IO.Path.Join(folder, name)))];
        if (missing.Length > 0)
        {
            throw new UnreadableInputException(
                indexPath,
                $"expected {names.Length} shards, {missing.Length} are missing, first {DisplayText.Quote(missing[0])}",
                "Download the model again: the download was not complete.");
        }

        foreach (string name in names)
        {
            SafetensorsFile file = SafetensorsFile.Open(System.IO.Path.Join(folder, name));
            files.Add(file);
            shards.Add(name, file);
        }

        foreach ((string tensor, string shard) in weightMap)
        {
            if (!shards[shard].Header.Tensors.ContainsKey(tensor))
            {
                throw new UnreadableInputException(
                    indexPath, $"expected tensor {DisplayText.Quote(tensor)} in {DisplayText.Quote(shard)}, found it not there");
            }
        }
    }

    private static UnreadableInputException NoModel(string folder)
    {
        string[] names = [.. FileNames(folder).Order(StringComparer.Ordinal)];
        string problem = $"expected {SingleName} or {IndexName}, found neither";
        if (names.FirstOrDefault(name => name.StartsWith("pytorch_model", StringComparison.Ordinal)) is { } pickle)
        {
            return new UnreadableInputException(
                folder,
                $"{problem}, only {DisplayText.Quote(pickle)}",
                "Convert it: in Python, AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(DIR, safe_serialization=True).");
        }

        return names.FirstOrDefault(name => name.EndsWith(".safetensors", StringComparison.Ordinal)) is { } other
            ? new UnreadableInputException(folder, $"{problem}, but {DisplayText.Quote(other)}", "Give the path of that file if it is meant.")
            : new UnreadableInputException(folder, problem, "Give the folder of a Hugging Face model, with config.json and model.safetensors.");
    }

    private static IEnumerable<string> FileNames(string folder)
    {
        try
        {
            return Directory.GetFiles(folder).Select(path => System.IO.Path.GetFileName(path));
        }
        catch (UnauthorizedAccessException error)
        {
            throw new UnreadableInputException(folder, "reading it is not permitted", "Check the owner and mode of the folder.", error);
        }
        catch (IOException error)
        {
            throw IoErrors.Wrap(folder, "list", error);
        }
    }
}
