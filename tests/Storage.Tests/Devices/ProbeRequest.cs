using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.Tests.Devices;

/// <summary>A request with memory of its own that tells how it ended.</summary>
internal sealed unsafe class ProbeRequest(int sizeBytes) : BlockRequest, IDisposable
{
    private readonly NativeBuffer _memory = new(sizeBytes);
    private readonly ManualResetEventSlim _done = new();
    private int _numCompletions;

    internal Span<byte> Bytes => _memory.AsSpan<byte>(0, (int)_memory.SizeBytes);

    internal Exception? Error { get; private set; }

    internal int NumCompletions => Volatile.Read(ref _numCompletions);

    internal string? CompletionThread { get; private set; }

    internal Action? AtCompletion { get; set; }

    internal bool MustCancel { get; set; }

    internal override bool IsCancelled => MustCancel;

    internal ProbeRequest Fill(byte value)
    {
        Bytes.Fill(value);
        return this;
    }

    /// <summary>Submits and returns at once.</summary>
    internal ProbeRequest Start(IBlockDevice device, BlockOperation operation, long offsetBytes, IoPriority priority = IoPriority.Normal)
    {
        _done.Reset();
        Prepare(operation, offsetBytes, (byte*)_memory.Address, (int)_memory.SizeBytes, priority);
        device.Submit(this);
        return this;
    }

    /// <summary>Waits for the end.</summary>
    internal ProbeRequest Wait()
    {
        Assert.True(_done.Wait(TimeSpan.FromSeconds(20)), "no completion within 20 s");
        return this;
    }

    public void Dispose()
    {
        _memory.Dispose();
        _done.Dispose();
    }

    protected override void OnCompleted(Exception? error)
    {
        Error = error;
        CompletionThread = Thread.CurrentThread.Name;
        Interlocked.Increment(ref _numCompletions);
        AtCompletion?.Invoke();
        _done.Set();
    }
}
