using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Storage.States;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// The optimizer's part of a step: norm, decision, updates, and what of it goes to the store. Operations come on several lanes; the order of the
/// schedule keeps apart what touches the same tile.
/// </summary>
internal sealed unsafe class UnitUpdates
{
    private readonly SwapEngine _engine;
    private readonly UpdateMode _mode;
    private readonly GradientNorm _norm;
    private readonly TileState[][] _tiles;
    private UpdateStep? _decided;

    /// <param name="engine">What the lanes share; its store and layout are there.</param>
    /// <param name="updateThreads">Threads of the CpuUpdate lane; borrowed.</param>
    public UnitUpdates(SwapEngine engine, ParallelRanges updateThreads)
    {
        _engine = engine;
        _mode = engine.Plan.Update;
        _norm = new GradientNorm(updateThreads);
        _tiles = [.. engine.Layout.Units.Select(unit => NewTiles(unit, engine.Store.Geometry))];
    }

    /// <summary>Runs one operation of <see cref="Lane.CpuUpdate"/>.</summary>
    public void Run(SlotTable slots, int index, in Operation operation, StepInFlight step)
    {
        switch (operation.Kind)
        {
            case OperationKind.GradientNorm:
                Norm(slots, index, operation.Unit, step);
                break;
            case OperationKind.DecideStep:
                Decide(step);
                break;
            case OperationKind.UpdateStates:
                if (_mode == UpdateMode.Immediate && !operation.IsDelayed && _engine.Device.IsSeparate)
                {
                    // The device has added it up before the gradients came.
                    RequireFinite(step, operation.Unit);
                }

                Update(_engine.HostTiles, slots, index, operation, step);
                break;
            default:
                throw new InvalidOperationException($"{operation.Kind} is not for the update lane");
        }
    }

    /// <summary>Runs an update on the compute lane.</summary>
    public void OnGpu(SlotTable slots, int index, in Operation operation, StepInFlight step) =>
        Update(_engine.Compute, slots, index, operation, step);

    /// <summary>Whether an operation of an update has anything to do in its period.</summary>
    public bool IsDue(in Operation operation, StepInFlight step) =>
        operation.Guard == Guard.IfRedone ? _decided is not { Decayed.GradientScale: 1f } : step.StepOf(operation) is not null;

    /// <summary>Whether a tile is to be written now, and where it is.</summary>
    /// <param name="operation">The write.</param>
    /// <param name="step">Its period.</param>
    /// <param name="slots">The schedule's slots.</param>
    /// <param name="slot">The slot that it reads.</param>
    /// <param name="address">First byte of the tile.</param>
    public bool TakeWrite(in Operation operation, StepInFlight step, SlotTable slots, int slot, out byte* address)
    {
        TileState tile = _tiles[operation.Unit][operation.Tile];
        Tier home = _engine.Plan.Units[operation.Unit].States;
        address = slots.Address(slot) + (home == Tier.Cpu ? tile.Half * Shape(operation).SizeBytes : 0);
        if (home == Tier.Gpu)
        {
            // The GPU may be a step ahead of the copy in this slot.
            return slots.HasNewStates[slot];
        }

        if (!tile.IsDirty || (home == Tier.Cpu && !IsWrittenNow(operation, step)))
        {
            return false;
        }

        tile.IsDirty = false;
        return true;
    }

    /// <summary>Makes a step durable, if that is its turn.</summary>
    public static void Commit(in Operation operation, StepInFlight step)
    {
        if (step.StepOf(operation) is { } work && work.Decider.CommitIsDue(work.Step))
        {
            work.Decider.Commit(work.Step);
        }
    }

    /// <summary>Whether a tile that stays on the GPU or in memory is newer than the store has it; it then counts as written.</summary>
    public bool TakeDirty(TileId tile)
    {
        TileState state = _tiles[tile.Unit][tile.Tile];
        bool isDirty = state.IsDirty;
        state.IsDirty = false;
        return isDirty;
    }

    /// <summary>Which half of a tile's slot holds its states: always the first, but for speculative updates in memory.</summary>
    public int HalfOf(int unit, int tile) => _tiles[unit][tile].Half;

    /// <summary>The store holds all tiles as they are.</summary>
    public void AllWritten()
    {
        foreach (TileState tile in _tiles.SelectMany(tiles => tiles))
        {
            tile.IsDirty = false;
        }
    }

    private static TileState[] NewTiles(UnitLayout unit, StoreGeometry geometry) =>
        unit.Count == 0 ? [] : [.. Enumerable.Range(0, geometry.TileCount(unit.Index)).Select(_ => new TileState())];

    /// <summary>Whether states that stay in memory go to the store in this step: before a commit, or if nobody can know yet whether it comes.</summary>
    private bool IsWrittenNow(in Operation operation, StepInFlight step) =>
        IsAnticipated(operation) || step.StepOf(operation) is not { } work || work.Decider.CommitIsDue(work.Step);

    /// <summary>Whether an operation comes before its step is decided.</summary>
    private bool IsAnticipated(in Operation operation) =>
        _mode is UpdateMode.Immediate or UpdateMode.Speculative && !operation.IsDelayed && operation.Guard == Guard.None;

    private TileShape Shape(in Operation operation) => _engine.Store.Geometry.Tile(new TileId(operation.Unit, operation.Tile));

    private void Norm(SlotTable slots, int index, int unit, StepInFlight step)
    {
        UnitLayout layout = _engine.Layout.Units[unit];
        double sum = _norm.SumOfSquares(CpuTiles.GradientAt(_engine.Type, slots.Find(index, ContentKind.Gradient, unit)), layout.Count);
        step.SumsOfSquares[unit] = sum;
        if (_mode == UpdateMode.Immediate)
        {
            RequireFinite(step, unit);
        }
    }

    /// <summary>Units behind it are updated already and cannot be brought back.</summary>
    private void RequireFinite(StepInFlight step, int unit)
    {
        if (!double.IsFinite(step.SumsOfSquares[unit]))
        {
            throw Diverged(step, _engine.Layout.Units[unit].Name);
        }
    }

    /// <summary>The error for a step that is not finite and cannot be taken back.</summary>
    private static TrainingDivergedException Diverged(StepInFlight step, string? unit) =>
        new(step.Work!.Step + 1, 1, unit is null ? "the loss" : $"the gradient of the {unit}");

    private void Decide(StepInFlight step)
    {
        double sumOfSquares = 0;
        string? culprit = null;
        foreach (UnitLayout unit in _engine.Layout.Units)
        {
            double unitSum = unit.Count > 0 ? step.SumsOfSquares[unit.Index] : 0;
            sumOfSquares += unitSum;
            culprit ??= double.IsFinite(unitSum) ? null : unit.Name;
        }

        step.Gradients = new StepGradients(step.Loss / step.NumCounted, Math.Sqrt(sumOfSquares), step.NumCounted, culprit);
        if (_mode is UpdateMode.Immediate or UpdateMode.Speculative)
        {
            // Updates that come behind the decision are still made as before it.
            _ = step.Anticipate();
        }

        _decided = step.Work!.Decider.Decide(step.Work.Step, step.Gradients);
        if (_mode == UpdateMode.Immediate && _decided is null)
        {
            throw Diverged(step, culprit);
        }
    }

    private void Update(ITileCompute tiles, SlotTable slots, int index, in Operation operation, StepInFlight step)
    {
        TileShape shape = Shape(operation);
        byte* slot = slots.Find(index, ContentKind.States, operation.Unit);
        byte* weights = slots.Find(index, ContentKind.Weights, operation.Unit);
        bool isDue = IsDue(operation, step);
        UpdateStep? constants = !isDue ? null : IsAnticipated(operation) ? step.Anticipate() : _decided;
        if (!isDue || (constants is null && operation.Guard == Guard.None))
        {
            // Nothing to do, or the step is skipped: all stays as it is.
            if (operation.BringsWeights)
            {
                tiles.SetWeights(weights, shape, AdamWParts.In(slot, shape));
            }

            return;
        }

        TileState tile = _tiles[operation.Unit][operation.Tile];
        byte* source = slot;
        byte* destination = slot;
        if (_mode == UpdateMode.Speculative && _engine.Plan.Units[operation.Unit].States != Tier.Nvme)
        {
            // The first time from the half that counts to the other one, which counts from then on; again from the same.
            tile.Half = operation.Guard == Guard.None ? 1 - tile.Half : tile.Half;
            destination = slot + (tile.Half * shape.SizeBytes);
            source = slot + ((1 - tile.Half) * shape.SizeBytes);
        }

        tile.IsDirty = true;
        AdamWStates states = AdamWParts.In(destination, shape);
        if (constants is { } found)
        {
            tiles.Update(operation.Unit, shape, AdamWParts.In(source, shape), states, slots.Find(index, ContentKind.Gradient, operation.Unit), weights, found);
            return;
        }

        if (source != destination)
        {
            tiles.CopyTile(source, destination, shape.SizeBytes);
        }

        if (weights is not null)
        {
            tiles.SetWeights(weights, shape, states);
        }
    }

    /// <summary>What becomes of one tile. Whoever touches it does so in the order of its slot.</summary>
    private sealed class TileState
    {
        /// <summary>It is newer than what the store has.</summary>
        public bool IsDirty { get; set; }

        /// <summary>See <see cref="HalfOf"/>.</summary>
        public int Half { get; set; }
    }
}
