namespace Offload.Storage.Devices;

/// <summary>Something that has to act at certain times.</summary>
internal interface ITimedWork
{
    /// <summary>Does what is due.</summary>
    /// <param name="nowNanoseconds">The time.</param>
    /// <returns>When to call again at the latest, on the same clock; <see cref="long.MaxValue"/>: nothing is planned.</returns>
    long RunDue(long nowNanoseconds);
}
