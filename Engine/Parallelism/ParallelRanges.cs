using System.Runtime.ExceptionServices;

namespace Offload.Engine.Parallelism;

/// <summary>
/// Runs blocks of a fixed size over a fixed number of threads: the caller's and dedicated ones. Which thread does which block is
/// left to chance (a thread that the system delays takes fewer); blocks, and so results, do not depend on the number of threads.
/// A run allocates nothing. Calls from several threads take turns. The creator disposes it.
/// </summary>
/// <remarks>
/// Dedicated threads and not the thread pool: the pool also serves I/O completions and timers, and gives no bound on who waits for whom.
/// </remarks>
internal sealed class ParallelRanges : IDisposable
{
    private readonly Lock _oneRun = new();
    private readonly SemaphoreSlim _start = new(0);
    private readonly CountdownEvent _helpersBusy = new(0);
    private readonly Thread[] _helpers;
    private IRangeWork? _work;
    private long _count;
    private int _blockElements;
    private long _numBlocks;
    private long _nextBlock;
    private ExceptionDispatchInfo? _error;
    private bool _disposed;

    /// <param name="numThreads">Threads that work, the caller's included; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one thread.</exception>
    public ParallelRanges(int numThreads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numThreads, 1);
        NumThreads = numThreads;
        _helpers = new Thread[numThreads - 1];
        for (int i = 0; i < _helpers.Length; i++)
        {
            _helpers[i] = new Thread(Help) { IsBackground = true, Name = $"offload-update-{i + 1}" };
            _helpers[i].Start();
        }
    }

    /// <summary>Threads that work, the caller's included.</summary>
    public int NumThreads { get; }

    /// <summary>
    /// Does all blocks of <paramref name="count"/> elements and returns when they are done. An exception in a block ends the run (blocks
    /// not yet begun are left out) and is thrown here.
    /// </summary>
    /// <param name="work">What to do with a block. It must not call this object.</param>
    /// <param name="count">Elements in all; 0 or more.</param>
    /// <param name="blockElements">Elements in a block; at least 1.</param>
    /// <exception cref="ObjectDisposedException">Disposed before.</exception>
    public void Run(IRangeWork work, long count, int blockElements)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfLessThan(blockElements, 1);
        lock (_oneRun)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _work = work;
            _count = count;
            _blockElements = blockElements;
            _numBlocks = ((count - 1) / blockElements) + (count > 0 ? 1 : 0);
            _nextBlock = 0;
            int numHelpers = (int)Math.Min(_helpers.Length, Math.Max(0, _numBlocks - 1));
            _helpersBusy.Reset(numHelpers);
            if (numHelpers > 0)
            {
                _start.Release(numHelpers);
            }

            RunBlocks();
            _helpersBusy.Wait();
            _work = null;
            ExceptionDispatchInfo? error = _error;
            _error = null;
            error?.Throw();
        }
    }

    /// <summary>Ends the threads, after the run in progress.</summary>
    public void Dispose()
    {
        lock (_oneRun)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (_helpers.Length > 0)
            {
                _start.Release(_helpers.Length);
            }
        }

        foreach (Thread helper in _helpers)
        {
            helper.Join();
        }

        _start.Dispose();
        _helpersBusy.Dispose();
    }

    private void Help()
    {
        while (true)
        {
            _start.Wait();
            if (_disposed)
            {
                return;
            }

            RunBlocks();
            _helpersBusy.Signal();
        }
    }

    private void RunBlocks()
    {
        try
        {
            long block;
            while ((block = Interlocked.Increment(ref _nextBlock) - 1) < _numBlocks)
            {
                long start = block * _blockElements;
                _work!.RunBlock(block, start, (int)Math.Min(_blockElements, _count - start));
            }
        }
#pragma warning disable CA1031 // Whatever it is, it is the caller's: it is thrown again there.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _error, ExceptionDispatchInfo.Capture(error), null);
            Interlocked.Exchange(ref _nextBlock, _numBlocks);
        }
    }
}
