using Offload.Swap.Schedules;

namespace Offload.Swap.Execution;

/// <summary>Lanes of a device: their operations are queued in order, and done when the device gets there.</summary>
public interface IDeviceLanes
{
    /// <summary>Whether a lane is the device's.</summary>
    bool IsAsynchronous(Lane lane);

    /// <summary>Lets what a lane queues from here on wait until the first <paramref name="count"/> operations of another are done.</summary>
    void Await(Lane lane, Lane other, long count);

    /// <summary>Before operation number <paramref name="count"/> of a lane, from 0, is queued.</summary>
    void Begin(Lane lane, long count);

    /// <summary>After it is queued: it may be awaited and waited for.</summary>
    void Mark(Lane lane, long count);

    /// <summary>Waits until operation number <paramref name="count"/> is done.</summary>
    /// <exception cref="Exception">What failed on the device.</exception>
    void Wait(Lane lane, long count);

    /// <summary>When it began and ended, in ticks of the executor's clock. After <see cref="Wait"/>.</summary>
    (long StartTicks, long EndTicks) Times(Lane lane, long count);
}
