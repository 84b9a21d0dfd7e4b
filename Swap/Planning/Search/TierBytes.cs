using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>Bytes on each tier.</summary>
/// <param name="Gpu">Slots and workspace.</param>
/// <param name="Cpu">Slots and what the engine takes beside.</param>
/// <param name="Nvme">States in all generations, and what waits there in between.</param>
public readonly record struct TierBytes(long Gpu, long Cpu, long Nvme)
{
    /// <summary>Bytes on one.</summary>
    public long this[Tier tier] => tier switch
    {
        Tier.Gpu => Gpu,
        Tier.Cpu => Cpu,
        _ => Nvme,
    };
}
