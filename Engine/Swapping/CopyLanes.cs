using Offload.Storage.States;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>Operations of <see cref="Lane.H2D"/> and <see cref="Lane.D2H"/>, each on its lane's thread.</summary>
/// <param name="slots">The schedule's slots.</param>
/// <param name="engine">What the lanes share.</param>
internal sealed unsafe class CopyLanes(SlotTable slots, SwapEngine engine)
{
    /// <summary>Runs one operation.</summary>
    public void Run(int index, in Operation operation, CancellationToken cancellation)
    {
        byte* source = slots.Address(slots.Only(index, AccessMode.Read));
        long sizeBytes = operation.Amount;
        if (operation.Kind == OperationKind.SaveStates)
        {
            // Of a skipped step, and a redo that is not needed, nothing is new and nothing will be written.
            bool isNew = engine.Updates.TakeDirty(new TileId(operation.Unit, operation.Tile));
            slots.HasNewStates[slots.Only(index, AccessMode.Write)] = isNew;
            if (!isNew)
            {
                return;
            }

            // With the padding between its parts.
            sizeBytes = engine.Store.Geometry.Tile(new TileId(operation.Unit, operation.Tile)).SizeBytes;
            source += engine.Updates.HalfOf(operation.Unit, operation.Tile) * sizeBytes;
        }

        engine.Device.Copy(operation.Lane, source, slots.Address(slots.Only(index, AccessMode.Write)), sizeBytes, cancellation);
    }
}
