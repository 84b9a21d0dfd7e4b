namespace Offload.Swap.Execution;

/// <summary>Does what the operations of a schedule stand for. Called by the lanes' threads, several at a time, each with operations of its own lane.</summary>
public interface IOperationHandler
{
    /// <summary>
    /// Does one operation, whole: when it returns, others may use what it has written and overwrite what it has read. All that it depends on
    /// is done, and visible to this thread. An operation with a guard is given too; whether there is anything to do is the handler's to know.
    /// </summary>
    /// <remarks>
    /// Of a lane of <see cref="IDeviceLanes"/> it only issues the operation, whole, to that lane of the device. What it depends on in such lanes is
    /// issued too and may not be done: nothing of that may be read here. What it depends on in other lanes is done.
    /// </remarks>
    /// <param name="operation">Index in the schedule.</param>
    /// <param name="period">Which period's, from 0.</param>
    /// <param name="cancellation">Set when another operation has failed, or the executor is disposed of: return or throw as soon as possible.</param>
    void Run(int operation, long period, CancellationToken cancellation);
}
