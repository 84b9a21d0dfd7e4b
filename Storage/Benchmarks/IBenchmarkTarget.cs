namespace Offload.Storage.Benchmarks;

/// <summary>What passes are run over. One thread at a time.</summary>
internal interface IBenchmarkTarget : IDisposable
{
    /// <summary>Runs a pass. Blocks.</summary>
    /// <exception cref="StorageException">The device reported an error.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is in flight any more.</exception>
    BenchmarkPass Run(BenchmarkPattern pattern, CancellationToken cancellation);
}
