using Offload.Swap.Execution;

namespace Offload.Swap.Tests.Execution;

internal sealed class DelegateHandler(Action<int, long, CancellationToken> run) : IOperationHandler
{
    public void Run(int operation, long period, CancellationToken cancellation) => run(operation, period, cancellation);
}
