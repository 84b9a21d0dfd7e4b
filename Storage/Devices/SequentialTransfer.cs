using System.Runtime.ExceptionServices;
using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>Reads or writes a range in order with a fixed number of requests in flight, for measurements. One thread.</summary>
internal sealed unsafe class SequentialTransfer : IDisposable
{
    private readonly IBlockDevice _device;
    private readonly VirtualClock? _clock;
    private readonly NativeBuffer _memory;
    private readonly int _requestBytes;
    private readonly Stack<Request> _free = new();
    private readonly int _depth;
    private readonly Func<bool> _hasFree;
    private readonly Func<bool> _areAllFree;
    private Exception? _error;

    /// <param name="device">Borrowed.</param>
    /// <param name="requestBytes">Size of a request.</param>
    /// <param name="depth">Requests in flight.</param>
    /// <param name="clock">Advanced instead of blocking; null: the device has a thread.</param>
    internal SequentialTransfer(IBlockDevice device, int requestBytes, int depth, VirtualClock? clock)
    {
        _device = device;
        _clock = clock;
        _requestBytes = requestBytes;
        _depth = depth;
        _hasFree = () => _free.Count > 0;
        _areAllFree = () => _free.Count == _depth;
        _memory = new NativeBuffer((long)requestBytes * depth);
        var random = new Random(1);
        for (int index = 0; index < depth; index++)
        {
            random.NextBytes(_memory.AsSpan<byte>((long)index * requestBytes, requestBytes));
            _free.Push(new Request(this, (byte*)_memory.Address + ((long)index * requestBytes)));
        }
    }

    /// <summary>Transfers so many requests' bytes; returns when all are done.</summary>
    /// <exception cref="StorageException">The device reported an error; the rest was not begun.</exception>
    internal void Run(BlockOperation operation, long offsetBytes, long numRequests)
    {
        try
        {
            for (long index = 0; index < numRequests && _error is null; index++)
            {
                WaitFor(_hasFree);
                Request request;
                lock (_free)
                {
                    request = _free.Pop();
                }

                request.Prepare(operation, offsetBytes + (index * _requestBytes), request.Memory, _requestBytes, IoPriority.Normal);
                try
                {
                    _device.Submit(request);
                }
                catch
                {
                    Release(request); // It was refused and will never complete.
                    throw;
                }
            }
        }
        finally
        {
            WaitFor(_areAllFree); // The memory is ours again.
        }

        if (_error is not null)
        {
            ExceptionDispatchInfo.Throw(_error);
        }
    }

    public void Dispose() => _memory.Dispose();

    private void Release(Request request)
    {
        lock (_free)
        {
            _free.Push(request);
            Monitor.Pulse(_free);
        }
    }

    private void WaitFor(Func<bool> condition)
    {
        if (_clock is not null)
        {
            _clock.RunUntil(condition);
            return;
        }

        lock (_free)
        {
            while (!condition())
            {
                Monitor.Wait(_free);
            }
        }
    }

    private sealed class Request(SequentialTransfer owner, byte* memory) : BlockRequest
    {
        internal byte* Memory => memory;

        protected override void OnCompleted(Exception? error)
        {
            owner._error ??= error;
            owner.Release(this);
        }
    }
}
