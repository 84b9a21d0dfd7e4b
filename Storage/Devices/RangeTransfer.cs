using System.Runtime.ExceptionServices;

namespace Offload.Storage.Devices;

/// <summary>
/// Reads or writes a range of any length between a device and memory, in blocks of which several are in flight. Nothing is allocated per call.
/// One call at a time.
/// </summary>
public sealed unsafe class RangeTransfer
{
    private readonly object _gate = new();
    private readonly Stack<Block> _free = new();
    private readonly int _numBlocks;
    private Exception? _error;

    /// <param name="numBlocks">Blocks in flight at most.</param>
    public RangeTransfer(int numBlocks = DirectFileOptions.DefaultQueueDepth)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(numBlocks);
        _numBlocks = numBlocks;
        for (int i = 0; i < numBlocks; i++)
        {
            _free.Push(new Block(this));
        }
    }

    /// <summary>Transfers, and returns when all is done or what was begun has failed.</summary>
    /// <param name="device">The device.</param>
    /// <param name="operation">Read or write.</param>
    /// <param name="offsetBytes">First byte on the device; a multiple of its alignment.</param>
    /// <param name="address">First byte in memory, aligned likewise; borrowed during the call.</param>
    /// <param name="sizeBytes">A multiple of the device's alignment.</param>
    /// <param name="priority">Place among those that wait.</param>
    /// <param name="cancellation">No more blocks are begun; those in flight are waited for.</param>
    /// <exception cref="StorageException">The device reported an error.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before all was begun.</exception>
    public void Run(IBlockDevice device, BlockOperation operation, long offsetBytes, byte* address, long sizeBytes, IoPriority priority, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        _error = null;
        try
        {
            for (long done = 0; done < sizeBytes; done += DirectFileDevice.PreferredBlockBytes)
            {
                cancellation.ThrowIfCancellationRequested();
                Block? block = Take();
                if (block is null)
                {
                    break;
                }

                int length = (int)Math.Min(DirectFileDevice.PreferredBlockBytes, sizeBytes - done);
                block.Prepare(operation, offsetBytes + done, address + done, length, priority);
                try
                {
                    device.Submit(block);
                }
                catch
                {
                    Release(block, null); // It was refused and will never complete.
                    throw;
                }
            }
        }
        finally
        {
            WaitForAll();
        }

        if (_error is not null)
        {
            ExceptionDispatchInfo.Throw(_error);
        }
    }

    /// <summary>A free block; null once one has failed.</summary>
    private Block? Take()
    {
        lock (_gate)
        {
            while (_free.Count == 0)
            {
                Monitor.Wait(_gate);
            }

            return _error is null ? _free.Pop() : null;
        }
    }

    private void WaitForAll()
    {
        lock (_gate)
        {
            while (_free.Count < _numBlocks)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    private void Release(Block block, Exception? error)
    {
        lock (_gate)
        {
            _error ??= error;
            _free.Push(block);
            Monitor.Pulse(_gate);
        }
    }

    private sealed class Block(RangeTransfer owner) : BlockRequest
    {
        protected override void OnCompleted(Exception? error) => owner.Release(this, error);
    }
}
