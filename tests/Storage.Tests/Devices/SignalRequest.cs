using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.Tests.Devices;

/// <summary>A request with its own memory that tells when it was completed, and how.</summary>
internal sealed unsafe class SignalRequest(int sizeBytes) : BlockRequest, IDisposable
{
    private readonly NativeBuffer _memory = new(sizeBytes);
    private readonly ManualResetEventSlim _done = new();

    internal Span<byte> Memory => _memory.AsSpan<byte>(0, sizeBytes);

    internal Exception? Error { get; private set; }

    internal int NumCompletions { get; private set; }

    internal bool Cancelled { get; set; }

    /// <summary>Called on the device's thread before the completion is told.</summary>
    internal Action? OnDone { get; set; }

    internal override bool IsCancelled => Cancelled;

    internal SignalRequest Start(IBlockDevice device, BlockOperation operation, long offsetBytes, IoPriority priority = IoPriority.Normal, int? partBytes = null)
    {
        _done.Reset();
        Prepare(operation, offsetBytes, (byte*)_memory.Address, partBytes ?? sizeBytes, priority);
        device.Submit(this);
        return this;
    }

    internal Exception? Wait()
    {
        Assert.True(_done.Wait(TimeSpan.FromSeconds(60)), "the request was not completed");
        return Error;
    }

    public void Dispose()
    {
        _memory.Dispose();
        _done.Dispose();
    }

    protected override void OnCompleted(Exception? error)
    {
        Error = error;
        NumCompletions++;
        OnDone?.Invoke();
        _done.Set();
    }
}
