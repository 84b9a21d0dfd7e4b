using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>Room for a plan's slots on each tier.</summary>
/// <param name="Gpu">Bytes, workspace included.</param>
/// <param name="Cpu">Bytes, what the engine takes beside not included.</param>
/// <param name="Nvme">Bytes; 0: there are no drives.</param>
internal readonly record struct PlanBudget(long Gpu, long Cpu, long Nvme)
{
    /// <summary>Of a request.</summary>
    public static PlanBudget Of(PlanRequest request) =>
        new(request.GpuBudgetBytes, request.CpuBudgetBytes - request.CpuBesideBytes, request.NvmeBudgetBytes ?? 0);

    /// <summary>Whether all tiers hold it.</summary>
    public bool Holds(TierBytes bytes) => bytes.Gpu <= Gpu && bytes.Cpu <= Cpu && bytes.Nvme <= Nvme;

    /// <summary>Room on one tier.</summary>
    public long this[Tier tier] => tier switch
    {
        Tier.Gpu => Gpu,
        Tier.Cpu => Cpu,
        _ => Nvme,
    };
}
