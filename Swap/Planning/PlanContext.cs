using System.Runtime.InteropServices;
using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>What all emitters of one schedule share. One thread.</summary>
internal sealed class PlanContext
{
    private readonly List<SlotAccess> _accesses = [];

    public PlanContext(Workload work, SwapPlan plan, Pass pass, int numLive, int numHidden)
    {
        Work = work;
        Plan = plan;
        Pass = pass;
        Sizes = new SlotSizes(work, plan);
        Delayed = new DelayedTiles(work, plan, Sizes);
        Slots = new UnitSlots(this, numLive, numHidden);
    }

    public Workload Work { get; }

    public SwapPlan Plan { get; }

    public Pass Pass { get; }

    public SlotSizes Sizes { get; }

    public DelayedTiles Delayed { get; }

    public ScheduleBuilder Builder { get; } = new();

    public UnitSlots Slots { get; }

    /// <summary>Number of the last unit.</summary>
    public int Head => Work.Units.Count - 1;

    public static long Of(ContentKind kind, int unit, int part = 0) => Content.Of(kind, unit, part);

    public static SlotAccess Read(int slot, long content) => new(slot, AccessMode.Read, content);

    public static SlotAccess Write(int slot, long content) => new(slot, AccessMode.Write, content);

    public static SlotAccess Update(int slot, long content) => new(slot, AccessMode.Update, content);

    /// <summary>Whether a number is a unit's, and that a layer.</summary>
    public bool IsLayer(int unit) => unit >= 0 && unit <= Head && Work.Units[unit].Role == UnitRole.Layer;

    /// <summary>Whether a unit has anything to load, sum up and update: a head that shares its matrix may have nothing.</summary>
    public bool HasParameters(int unit) => Work.Units[unit].NumParameters > 0;

    /// <summary>An operation of a unit.</summary>
    public Operation Make(OperationKind kind, int unit, int microBatch = Operation.None, int tile = Operation.None) =>
        new() { Kind = kind, Pass = Pass, Unit = unit, MicroBatch = microBatch, Tile = tile };

    /// <summary>An empty list for the slots of the next operation. There is one: no other operation is made until that is added.</summary>
    public List<SlotAccess> NewAccesses()
    {
        _accesses.Clear();
        return _accesses;
    }

    /// <summary>Adds an operation with what was listed for it.</summary>
    public void Add(in Operation operation, List<SlotAccess> accesses) => Builder.Add(operation, CollectionsMarshal.AsSpan(accesses));

    /// <summary>A transfer: what it moves it moves in CPU memory too.</summary>
    public Operation MakeTransfer(OperationKind kind, int unit, long sizeBytes, int microBatch = Operation.None, int tile = Operation.None) =>
        Make(kind, unit, microBatch, tile) with { Amount = sizeBytes, HostBytes = sizeBytes };
}
