using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// The memory of all slots of a plan's schedules, allocated once. What is persistent has the same place in each of them, under its name; all other
/// slots of a schedule lie over those of the others. Slots on drives get room in a scratch file, but for the optimizer states, which have a
/// store of their own.
/// </summary>
internal sealed unsafe class SlotMemory : IDisposable
{
    /// <summary>
    /// Most memory that is pinned for a device at once: what streams is far smaller. Optimizer states that stay in memory may be larger than what
    /// the system lets a process pin.
    /// </summary>
    private const long MaxRegisteredBytes = 4L << 30;

    private static readonly int NumAreas = Enum.GetValues<SlotArea>().Length;

    private readonly Dictionary<string, (SlotArea Area, long OffsetBytes)> _persistent = new(StringComparer.Ordinal);
    private readonly Dictionary<StepSchedule, (SlotArea Area, long OffsetBytes)[]> _places = [];
    private readonly MemoryRegion?[] _regions = new MemoryRegion?[NumAreas];
    private readonly List<IDisposable> _pins = [];
    private readonly IGpuMemory? _gpu;

    /// <param name="schedules">All schedules of a plan.</param>
    /// <param name="cpuLimit">What slots in CPU memory are reserved from.</param>
    /// <param name="gpuLimit">What slots in GPU memory are reserved from.</param>
    /// <param name="gpu">The GPU tier: it is pinned for, and has memory of its own.</param>
    /// <param name="device">The drives, if any: memory that they transfer to and from is pinned.</param>
    /// <exception cref="MemoryLimitException">A limit, or the system, has no such room.</exception>
    public SlotMemory(IReadOnlyList<StepSchedule> schedules, MemoryLimit cpuLimit, MemoryLimit gpuLimit, ISwapDevice gpu, IBlockDevice? device)
    {
        long[] sizes = Place(schedules);
        ScratchBytes = sizes[(int)SlotArea.Scratch];
        try
        {
            _gpu = gpu.Allocate(sizes[(int)SlotArea.Gpu], gpuLimit);
            _regions[(int)SlotArea.Cpu] = new MemoryRegion(sizes[(int)SlotArea.Cpu], "slots that stay in CPU memory", cpuLimit);
            MemoryRegion copied = _regions[(int)SlotArea.CpuCopied] = new MemoryRegion(sizes[(int)SlotArea.CpuCopied], "slots that stay in CPU memory and are copied", cpuLimit);
            MemoryRegion streamed = _regions[(int)SlotArea.CpuInTurn] = new MemoryRegion(sizes[(int)SlotArea.CpuInTurn], "slots that CPU memory lends in turn", cpuLimit);
            Pin(gpu, copied);
            Pin(gpu, streamed);
            if (device is not null && streamed.SizeBytes <= MaxRegisteredBytes)
            {
                streamed.RegisterWith(device);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where a slot is.</summary>
    private enum SlotArea
    {
        Gpu,
        Cpu,

        /// <summary>What stays in CPU memory and is copied to or from the GPU.</summary>
        CpuCopied,

        /// <summary>What passes through CPU memory, and what stays there and goes to drives as it is.</summary>
        CpuInTurn,
        Scratch,
        Store,
    }

    /// <summary>Room that slots on drives need beside the store.</summary>
    public long ScratchBytes { get; }

    /// <summary>A schedule's slots.</summary>
    public SlotTable Of(StepSchedule schedule)
    {
        (SlotArea Area, long OffsetBytes)[] places = _places[schedule];
        return new SlotTable(
            schedule,
            [.. places.Select(place => (nint)AddressOf(place.Area, place.OffsetBytes))],
            [.. places.Select(place => place.OffsetBytes)]);
    }

    public void Dispose()
    {
        _pins.ForEach(pin => pin.Dispose());
        _pins.Clear();
        _gpu?.Dispose();
        foreach (MemoryRegion? region in _regions)
        {
            region?.Dispose();
        }
    }

    private void Pin(ISwapDevice gpu, MemoryRegion region)
    {
        if (region.SizeBytes > 0 && gpu.Pin(region.Address, region.SizeBytes) is { } pin)
        {
            _pins.Add(pin);
        }
    }

    /// <summary>First byte of a place; null if it is on drives.</summary>
    private byte* AddressOf(SlotArea area, long offsetBytes)
    {
        byte* start = area == SlotArea.Gpu ? _gpu!.Address : _regions[(int)area] is { } region ? region.Address : null;
        return start is null ? null : start + offsetBytes;
    }

    /// <summary>Gives every slot its place; returns the size of each area.</summary>
    private long[] Place(IReadOnlyList<StepSchedule> schedules)
    {
        HashSet<string> streamed = [.. schedules.SelectMany(schedule => On(schedule, Lane.SsdRead, Lane.SsdWrite))];
        HashSet<string> copied = [.. schedules.SelectMany(schedule => On(schedule, Lane.H2D, Lane.D2H))];
        HashSet<string> stored = [.. schedules.SelectMany(Stored)];
        var persistentEnds = new long[NumAreas];
        foreach (Swap.Schedules.Slot slot in schedules.SelectMany(schedule => schedule.Slots).Where(slot => slot.IsPersistent))
        {
            // Several schedules have it, and it takes room once.
            if (!_persistent.ContainsKey(slot.Name))
            {
                _persistent.Add(slot.Name, Take(AreaOf(slot), slot, persistentEnds));
            }
        }

        var sizes = new long[NumAreas];
        foreach (StepSchedule schedule in schedules)
        {
            long[] ends = [.. persistentEnds];
            _places.Add(schedule, [.. schedule.Slots.Select(slot => slot.IsPersistent ? _persistent[slot.Name] : Take(AreaOf(slot), slot, ends))]);
            for (int area = 0; area < NumAreas; area++)
            {
                sizes[area] = Math.Max(sizes[area], ends[area]);
            }
        }

        return sizes;

        SlotArea AreaOf(Swap.Schedules.Slot slot) => stored.Contains(slot.Name) ? SlotArea.Store : slot.Tier switch
        {
            Tier.Gpu => SlotArea.Gpu,
            Tier.Nvme => SlotArea.Scratch,
            // Of schedules that lie over each other, one may lend more to drives and another to the GPU: one region has room for either.
            _ => !slot.IsPersistent || streamed.Contains(slot.Name) ? SlotArea.CpuInTurn : copied.Contains(slot.Name) ? SlotArea.CpuCopied : SlotArea.Cpu,
        };
    }

    private static (SlotArea Area, long OffsetBytes) Take(SlotArea area, Swap.Schedules.Slot slot, long[] ends)
    {
        long offset = ends[(int)area];
        ends[(int)area] += (slot.SizeBytes + SlotArena.AlignmentBytes - 1) / SlotArena.AlignmentBytes * SlotArena.AlignmentBytes;
        return (area, offset);
    }

    private static IEnumerable<string> On(StepSchedule schedule, Lane one, Lane other) =>
        Accesses(schedule, operation => operation.Lane == one || operation.Lane == other).Select(access => schedule.Slots[access.Slot].Name);

    /// <summary>States on drives: the store's.</summary>
    private static IEnumerable<string> Stored(StepSchedule schedule) =>
        Accesses(schedule, _ => true)
            .Where(access => schedule.Slots[access.Slot].Tier == Tier.Nvme && Content.KindOf(access.Content) == ContentKind.States)
            .Select(access => schedule.Slots[access.Slot].Name);

    private static IEnumerable<SlotAccess> Accesses(StepSchedule schedule, Func<Operation, bool> isOf)
    {
        for (int operation = 0; operation < schedule.Operations.Count; operation++)
        {
            if (isOf(schedule.Operations[operation]))
            {
                foreach (SlotAccess access in schedule.AccessesOf(operation).ToArray())
                {
                    yield return access;
                }
            }
        }
    }
}
