using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// The memory of all slots of a plan's schedules, allocated once. A slot of the same name is the same memory in each of them. Slots on drives get
/// room in a scratch file instead, but for the optimizer states, which have a store of their own.
/// </summary>
internal sealed unsafe class SlotMemory : IDisposable
{
    /// <summary>
    /// Most memory that is pinned for a device at once: what streams is far smaller. Optimizer states that stay in memory may be larger than what
    /// the system lets a process pin.
    /// </summary>
    private const long MaxRegisteredBytes = 4L << 30;

    private readonly Dictionary<string, Place> _places = new(StringComparer.Ordinal);
    private readonly List<MemoryRegion> _regions = [];

    /// <param name="schedules">All schedules of a plan.</param>
    /// <param name="cpuLimit">What slots in CPU memory are reserved from.</param>
    /// <param name="gpuLimit">What slots in GPU memory are reserved from.</param>
    /// <param name="device">The drives, if any: memory that they transfer to and from is pinned.</param>
    /// <exception cref="MemoryLimitException">A limit, or the system, has no such room.</exception>
    public SlotMemory(IReadOnlyList<StepSchedule> schedules, MemoryLimit cpuLimit, MemoryLimit gpuLimit, IBlockDevice? device)
    {
        var sizes = new Dictionary<string, (Tier Tier, long SizeBytes)>(StringComparer.Ordinal);
        var streamed = new HashSet<string>(StringComparer.Ordinal);
        foreach (StepSchedule schedule in schedules)
        {
            foreach (Swap.Schedules.Slot slot in schedule.Slots)
            {
                (Tier tier, long sizeBytes) = sizes.GetValueOrDefault(slot.Name, (slot.Tier, 0));
                sizes[slot.Name] = tier == slot.Tier
                    ? (tier, Math.Max(sizeBytes, Pad(slot.SizeBytes)))
                    : throw new ArgumentException($"slot '{slot.Name}' is on {tier} in one schedule and on {slot.Tier} in another", nameof(schedules));
            }

            for (int operation = 0; operation < schedule.Operations.Count; operation++)
            {
                if (schedule.Operations[operation].Lane is Lane.SsdRead or Lane.SsdWrite)
                {
                    foreach (SlotAccess access in schedule.AccessesOf(operation))
                    {
                        streamed.Add(schedule.Slots[access.Slot].Name);
                    }
                }
            }
        }

        try
        {
            Allocate("GPU slots", gpuLimit, sizes.Where(slot => slot.Value.Tier == Tier.Gpu));
            Allocate("slots in CPU memory", cpuLimit, sizes.Where(slot => slot.Value.Tier == Tier.Cpu && !streamed.Contains(slot.Key)));
            MemoryRegion toDrives = Allocate("slots to and from drives", cpuLimit, sizes.Where(slot => slot.Value.Tier == Tier.Cpu && streamed.Contains(slot.Key)));
            if (device is not null && toDrives.SizeBytes <= MaxRegisteredBytes)
            {
                toDrives.RegisterWith(device);
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        foreach ((string name, (Tier tier, long sizeBytes)) in sizes.Where(slot => slot.Value.Tier == Tier.Nvme && !IsStored(slot.Key)))
        {
            _places.Add(name, new Place(null, ScratchBytes));
            ScratchBytes += sizeBytes;
        }
    }

    /// <summary>Room that slots on drives need beside the store.</summary>
    public long ScratchBytes { get; }

    /// <summary>A schedule's slots.</summary>
    public SlotTable Of(StepSchedule schedule)
    {
        var addresses = new nint[schedule.Slots.Count];
        var offsets = new long[addresses.Length];
        for (int slot = 0; slot < addresses.Length; slot++)
        {
            if (_places.TryGetValue(schedule.Slots[slot].Name, out Place place))
            {
                addresses[slot] = (nint)place.Address;
                offsets[slot] = place.OffsetBytes;
            }
        }

        return new SlotTable(schedule, addresses, offsets);
    }

    public void Dispose() => _regions.ForEach(region => region.Dispose());

    private static long Pad(long sizeBytes) => (sizeBytes + SlotArena.AlignmentBytes - 1) / SlotArena.AlignmentBytes * SlotArena.AlignmentBytes;

    private static bool IsStored(string name) => name.StartsWith("stored states", StringComparison.Ordinal);

    private MemoryRegion Allocate(string name, MemoryLimit limit, IEnumerable<KeyValuePair<string, (Tier Tier, long SizeBytes)>> slots)
    {
        KeyValuePair<string, (Tier Tier, long SizeBytes)>[] all = [.. slots];
        var region = new MemoryRegion(all.Sum(slot => slot.Value.SizeBytes), name, limit);
        _regions.Add(region);
        byte* next = region.Address;
        foreach ((string slotName, (_, long sizeBytes)) in all)
        {
            _places.Add(slotName, new Place(next, 0));
            next += sizeBytes;
        }

        return region;
    }

    /// <summary>Where a slot is: in memory, or in the scratch file.</summary>
    private readonly struct Place(byte* address, long offsetBytes)
    {
        public byte* Address { get; } = address;

        public long OffsetBytes { get; } = offsetBytes;
    }
}
