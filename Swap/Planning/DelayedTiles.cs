using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>Which tiles are updated in the period after their gradients. Immutable; any thread.</summary>
internal sealed class DelayedTiles
{
    private readonly int[][] _delayed;
    private readonly int[][] _others;
    private readonly UpdateMode _mode;

    public DelayedTiles(Workload work, SwapPlan plan, SlotSizes sizes)
    {
        _mode = plan.Update;
        _delayed = new int[work.Units.Count][];
        _others = new int[work.Units.Count][];
        double due = 0;
        for (int unit = 0; unit < work.Units.Count; unit++)
        {
            var delayed = new List<int>();
            var others = new List<int>();
            for (int tile = 0; tile < sizes.NumTiles(unit); tile++)
            {
                bool isDelayed = plan.Update == UpdateMode.Deferred;
                if (plan.DelayedShare > 0 && plan.Units[unit].States != Tier.Gpu)
                {
                    // Spread evenly over all units, also those of one tile. Rounding must not lose the last tile of a share of 1.
                    due += plan.DelayedShare;
                    isDelayed = due > 1 - 1e-9;
                    due -= isDelayed ? 1 : 0;
                }

                (isDelayed ? delayed : others).Add(tile);
            }

            _delayed[unit] = [.. delayed];
            _others[unit] = [.. others];
        }

        HasAny = _delayed.Any(tiles => tiles.Length > 0);
    }

    /// <summary>Whether there are any.</summary>
    public bool HasAny { get; }

    /// <summary>Whether gradients are needed after their unit's turn in the backward.</summary>
    public bool DoGradientsWait => _mode != UpdateMode.Immediate || HasAny;

    /// <summary>Whether updates come under the backward.</summary>
    public bool IsUnderBackward => _mode is UpdateMode.Immediate or UpdateMode.Speculative;

    /// <summary>Whether a unit has any.</summary>
    public bool IsAny(int unit) => _delayed[unit].Length > 0;

    /// <summary>A unit's tiles whose turn it is, ascending.</summary>
    public int[] TilesOf(int unit, UpdateTurn turn) => turn == UpdateTurn.OfStepBefore ? _delayed[unit] : _others[unit];
}
