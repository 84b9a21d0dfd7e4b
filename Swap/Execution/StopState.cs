using System.Runtime.ExceptionServices;

namespace Offload.Swap.Execution;

/// <summary>Whether all is to end, and why. Belongs to the gate, but for <see cref="IsStopping"/>, <see cref="Token"/> and <see cref="Cancel"/>.</summary>
internal sealed class StopState : IDisposable
{
    private readonly CancellationTokenSource _cancellation = new();
    private ExceptionDispatchInfo? _error;
    private bool _isStopping;
    private bool _isDisposed;

    public StopState() => Token = _cancellation.Token;

    /// <summary>Set at the first error, or when all is to end.</summary>
    public CancellationToken Token { get; }

    /// <summary>Nothing more is to begin.</summary>
    public bool IsStopping => Volatile.Read(ref _isStopping);

    /// <summary>All is to end, because of an error unless it is not the first or all was to end anyway.</summary>
    /// <param name="error">The error; null: the executor is disposed of.</param>
    public void Note(Exception? error)
    {
        if (error is null)
        {
            _isDisposed = true;
        }
        else if (!_isDisposed)
        {
            _error ??= ExceptionDispatchInfo.Capture(error);
        }

        Volatile.Write(ref _isStopping, true);
    }

    /// <summary>Sets <see cref="Token"/>, after <see cref="Note"/>.</summary>
    public void Cancel()
    {
        try
        {
            _cancellation.Cancel();
        }
        catch (Exception error) when (error is AggregateException or ObjectDisposedException)
        {
            // What a handler has hung on its cancellation threw: never the first error, which has caused the cancellation. Or the executor
            // was disposed of twice.
        }
    }

    /// <summary>Throws the first error, or that all was disposed of; nothing while all goes on.</summary>
    /// <param name="executor">What was disposed of.</param>
    public void ThrowIfStopped(object executor)
    {
        _error?.Throw();
        ObjectDisposedException.ThrowIf(_isDisposed, executor);
    }

    /// <summary>After all threads have ended.</summary>
    public void Dispose() => _cancellation.Dispose();
}
