using Offload.Storage.Files;

namespace Offload.Storage.Safetensors;

/// <summary>
/// Writes one safetensors file: all tensors are named up front, then their data is streamed in that order. The file
/// appears under its name only by <see cref="Complete"/>; a writer disposed before leaves nothing. One thread at a time.
/// </summary>
/// <remarks>
/// In the file, tensors with larger elements come first, so that each is aligned to its element size; tensors of one type keep
/// their order. What is written goes straight to the system, which writes back beside the caller.
/// </remarks>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly IReadOnlyList<TensorSpec> _tensors;
    private readonly SafetensorsLayout _layout;
    private readonly AtomicFile _file;
    private int _numDone;
    private long _writtenBytes;
    private State _state = State.Between;

    /// <summary>Checks that the file fits on the disk, then writes its header.</summary>
    /// <param name="path">The final path; its folder must exist.</param>
    /// <param name="tensors">All tensors, in the order in which they will be written.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, or the header exceeds 100 MB.</exception>
    /// <exception cref="StorageException">The disk has too little space, or the system refused.</exception>
    public SafetensorsWriter(string path, IReadOnlyList<TensorSpec> tensors)
        : this(path, [.. tensors], SafetensorsLayout.Create(tensors), static path => new AtomicFile(path))
    {
    }

    internal SafetensorsWriter(string path, IReadOnlyList<TensorSpec> tensors, SafetensorsLayout layout, Func<string, AtomicFile> create)
    {
        _tensors = tensors;
        _layout = layout;
        DiskSpace.Require(path, layout.FileSizeBytes);
        _file = create(path);
        try
        {
            _file.WriteAt(0, layout.Header);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    private enum State
    {
        Between,
        Inside,
        Failed,
        Complete,
    }

    /// <summary>Whether all tensors are written.</summary>
    public bool IsFull => _numDone == _tensors.Count;

    /// <summary>Begins the next tensor.</summary>
    /// <param name="name">Its name, as a check that the caller and the list agree.</param>
    /// <exception cref="InvalidOperationException">Another tensor is next, or none, or one is open, or a write failed.</exception>
    public void BeginTensor(string name)
    {
        Require(State.Between);
        string expected = IsFull ? "no further tensor" : DisplayText.Quote(_tensors[_numDone].Name);
        if (IsFull || _tensors[_numDone].Name != name)
        {
            throw new InvalidOperationException($"expected {expected} to be written next, found {DisplayText.Quote(name)}");
        }

        _writtenBytes = 0;
        _state = State.Inside;
    }

    /// <summary>Writes the next bytes of the open tensor, in any portions. May block.</summary>
    /// <exception cref="InvalidOperationException">No tensor is open, or it would get more bytes than it has.</exception>
    /// <exception cref="StorageException">The system refused, a full disk for instance; the writer is of no further use.</exception>
    public void Write(ReadOnlySpan<byte> contents)
    {
        Require(State.Inside);
        TensorSpec tensor = _tensors[_numDone];
        if (contents.Length > tensor.SizeBytes - _writtenBytes)
        {
            throw new InvalidOperationException(
                $"tensor {DisplayText.Quote(tensor.Name)}: expected {tensor.SizeBytes} bytes, found at least {_writtenBytes + contents.Length}");
        }

        // Until the write has succeeded nothing else may follow it.
        _state = State.Failed;
        _file.WriteAt(_layout.FileOffsetBytes[tensor.Name] + _writtenBytes, contents);
        _state = State.Inside;
        _writtenBytes += contents.Length;
    }

    /// <summary>Ends the open tensor.</summary>
    /// <exception cref="InvalidOperationException">No tensor is open, or bytes are missing.</exception>
    public void EndTensor()
    {
        Require(State.Inside);
        TensorSpec tensor = _tensors[_numDone];
        if (_writtenBytes != tensor.SizeBytes)
        {
            throw new InvalidOperationException(
                $"tensor {DisplayText.Quote(tensor.Name)}: expected {tensor.SizeBytes} bytes, found {_writtenBytes}");
        }

        _numDone++;
        _state = State.Between;
    }

    /// <summary>Makes the file durable and gives it its name. Blocks until the disk has it.</summary>
    /// <exception cref="InvalidOperationException">Tensors are missing.</exception>
    /// <exception cref="StorageException">The system refused; the file does not appear.</exception>
    public void Complete()
    {
        Require(State.Between);
        if (!IsFull)
        {
            throw new InvalidOperationException($"expected {_tensors.Count} tensors, found {_numDone}");
        }

        _state = State.Failed;
        _file.Commit();
        _state = State.Complete;
    }

    /// <summary>Removes what was written unless <see cref="Complete"/> succeeded.</summary>
    public void Dispose() => _file.Dispose();

    private void Require(State expected)
    {
        if (_state != expected)
        {
            throw new InvalidOperationException($"expected a writer in state {expected}, found {_state}");
        }
    }
}
