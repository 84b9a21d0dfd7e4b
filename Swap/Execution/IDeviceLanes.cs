using Offload.Swap.Schedules;

namespace Offload.Swap.Execution;

/// <summary>
/// Lanes that a device runs by itself, in the order in which their operations are issued to it: streams of a GPU. The thread of such a lane only
/// issues, running ahead of the device; a second one waits for what is issued.
/// </summary>
/// <remarks>
/// For one executor, which numbers the operations of a lane from 0. <see cref="Await"/>, <see cref="Begin"/> and <see cref="Mark"/> of a lane come
/// from the thread that issues its operations, <see cref="Wait"/> and <see cref="Times"/> from the one that waits for them, of a sequential run all
/// from one; those of other lanes at the same time. Of a lane, at most <see cref="ExecutorOptions.MaxAhead"/> operations are issued and not waited
/// for, or one more if that one has failed while it was issued. What a method throws ends the run.
/// </remarks>
public interface IDeviceLanes
{
    /// <summary>Whether the device runs a lane; if not, its thread does the work itself. Asked once a lane, by the executor's constructor.</summary>
    bool IsAsynchronous(Lane lane);

    /// <summary>
    /// What is issued to a lane from here on waits until the first operations of another lane are done. Called only if they may not be done yet, and
    /// before <see cref="Begin"/>.
    /// </summary>
    /// <param name="lane">The lane that waits.</param>
    /// <param name="other">Another of the device's lanes.</param>
    /// <param name="count">
    /// How many of its operations: all are marked. They may be done by now and their marks in use by later ones; to wait for one of those, if it
    /// is marked, is late but right.
    /// </param>
    void Await(Lane lane, Lane other, long count);

    /// <summary>Before an operation is issued, after what it waits for: where it starts.</summary>
    /// <param name="lane">Its lane.</param>
    /// <param name="count">Its number in the lane, from 0.</param>
    void Begin(Lane lane, long count);

    /// <summary>
    /// After an operation is issued: where it ends. It may be awaited and waited for from here on. Also called, to wait for what was issued, if
    /// issuing it has failed.
    /// </summary>
    /// <param name="lane">Its lane.</param>
    /// <param name="count">Its number in the lane.</param>
    void Mark(Lane lane, long count);

    /// <summary>
    /// Sleeps until an operation is done. Once for each, in their order. Throws if it, or the device, has failed: nothing more is waited for in this
    /// lane then.
    /// </summary>
    /// <param name="lane">Its lane.</param>
    /// <param name="count">Its number in the lane: marked.</param>
    void Wait(Lane lane, long count);

    /// <summary>When an operation ran, in ticks of <see cref="ExecutorOptions.Clock"/>. Called after <see cref="Wait"/>, if a trace is recorded.</summary>
    /// <param name="lane">Its lane.</param>
    /// <param name="count">Its number in the lane.</param>
    (long StartTicks, long EndTicks) Times(Lane lane, long count);
}
