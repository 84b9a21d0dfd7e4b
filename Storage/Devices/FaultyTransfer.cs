using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>A request that a <see cref="FaultInjectingDevice"/> does not simply pass on.</summary>
internal sealed class FaultyTransfer(FaultInjectingDevice device, BlockRequest outer, Fault fault, long dueNanoseconds) : BlockRequest
{
    internal BlockRequest Outer => outer;

    internal Fault Fault => fault;

    /// <summary>When it may complete.</summary>
    internal long DueNanoseconds => dueNanoseconds;

    /// <summary>What is written instead of the caller's memory, with a wrong bit; owned.</summary>
    internal NativeBuffer? WrongCopy { get; init; }

    /// <summary>How it ended, while it waits to be reported.</summary>
    internal Exception? Error { get; set; }

    internal override bool IsCancelled => outer.IsCancelled;

    protected override void OnCompleted(Exception? error) => device.Finish(this, error);
}
