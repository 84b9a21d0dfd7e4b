using System.Runtime.ExceptionServices;
using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.Benchmarks;

/// <summary>
/// Reads or writes a range of a device in order, in equal blocks, always as many in flight: each block's completion submits the next one. Nothing
/// is allocated in a pass. What it writes is random, for drives and file systems that compress. One thread at a time.
/// </summary>
internal sealed unsafe class BlockStream : IDisposable
{
    private readonly object _gate = new();
    private readonly IBlockDevice _device;
    private readonly BlockOperation _operation;
    private readonly int _blockBytes;
    private readonly NativeBuffer _memory;
    private readonly Request[] _requests;
    private PassMeter _meter = null!;
    private bool _endsPass;
    private long _next;
    private long _end;
    private int _numActive;
    private Exception? _error;

    /// <param name="device">Borrowed.</param>
    /// <param name="operation">Read or write.</param>
    /// <param name="blockBytes">Size of a block; aligned.</param>
    /// <param name="depth">Blocks in flight.</param>
    public BlockStream(IBlockDevice device, BlockOperation operation, int blockBytes, int depth)
    {
        _device = device;
        _operation = operation;
        _blockBytes = blockBytes;
        _memory = new NativeBuffer((long)blockBytes * depth);
        _requests = new Request[depth];
        for (int i = 0; i < depth; i++)
        {
            _requests[i] = new Request(this, (byte*)_memory.Address + ((long)i * blockBytes));
            if (operation == BlockOperation.Write)
            {
                RandomBytes.Fill(_memory.AsSpan<byte>((long)i * blockBytes, blockBytes), seed: i);
            }
        }
    }

    /// <summary>Starts a pass over a range.</summary>
    /// <param name="offsetBytes">First byte; aligned.</param>
    /// <param name="sizeBytes">Size; aligned. The last block is shorter where it is no multiple.</param>
    /// <param name="meter">Stops the pass early.</param>
    /// <param name="endsPass">Whether the meter is told when all is done.</param>
    public void Start(long offsetBytes, long sizeBytes, PassMeter meter, bool endsPass)
    {
        _meter = meter;
        _endsPass = endsPass;
        _next = offsetBytes;
        _end = offsetBytes + sizeBytes;
        _error = null;
        _numActive = _requests.Length;
        foreach (Request request in _requests)
        {
            request.Advance();
        }
    }

    /// <summary>Waits until nothing is in flight. Blocks.</summary>
    /// <exception cref="StorageException">The device reported an error.</exception>
    public void Wait()
    {
        lock (_gate)
        {
            while (_numActive > 0)
            {
                Monitor.Wait(_gate);
            }
        }

        if (_error is not null)
        {
            ExceptionDispatchInfo.Throw(_error);
        }
    }

    /// <summary>Frees the memory; nothing may be in flight.</summary>
    public void Dispose() => _memory.Dispose();

    private bool TryTake(out long offsetBytes, out int sizeBytes)
    {
        lock (_gate)
        {
            offsetBytes = _next;
            sizeBytes = (int)Math.Min(_blockBytes, _end - _next);
            _next += sizeBytes;
        }

        return sizeBytes > 0 && !_meter.IsOver;
    }

    private void Fail(Exception error)
    {
        lock (_gate)
        {
            _error ??= error;
        }

        _meter.Stop();
    }

    private void Leave()
    {
        bool isLast;
        lock (_gate)
        {
            isLast = _numActive == 1;
            _numActive -= isLast ? 0 : 1;
        }

        if (!isLast)
        {
            return;
        }

        // Before the waiting thread may go on, and start another pass.
        if (_endsPass)
        {
            _meter.EndOfOne();
        }

        lock (_gate)
        {
            _numActive = 0;
            Monitor.PulseAll(_gate);
        }
    }

    private sealed class Request(BlockStream stream, byte* address) : BlockRequest
    {
        // 1 once the submission has returned or the request has completed: whoever comes second goes on with the next block. Else a device
        // that completes within the submission would have the two call each other ever deeper.
        private int _hasReturnedOrCompleted;

        public void Advance()
        {
            do
            {
                if (!stream.TryTake(out long offsetBytes, out int sizeBytes))
                {
                    stream.Leave();
                    return;
                }

                Prepare(stream._operation, offsetBytes, address, sizeBytes, IoPriority.Normal);
                _hasReturnedOrCompleted = 0;
                try
                {
                    stream._device.Submit(this);
                }
#pragma warning disable CA1031 // It comes out of Wait: this may be a thread of the device.
                catch (Exception error)
#pragma warning restore CA1031
                {
                    stream.Fail(error);
                    stream.Leave();
                    return;
                }
            }
            while (Interlocked.Exchange(ref _hasReturnedOrCompleted, 1) == 1);
        }

        protected override void OnCompleted(Exception? error)
        {
            if (error is not null)
            {
                stream.Fail(error);
            }

            if (Interlocked.Exchange(ref _hasReturnedOrCompleted, 1) == 1)
            {
                Advance();
            }
        }
    }
}
