using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Storage.Numerics;
using Offload.Storage.States;

namespace Offload.Engine.Tests.Swapping;

/// <summary>The optimizer over a model's tiles by a device: the CPU's bits.</summary>
internal sealed unsafe class TileComparison(
    UnitCheckDevice device, ModelLayout layout, RunNumerics numerics, ITileCompute compute, Random random, UnitErrors errors)
{
    /// <summary>Not a multiple of any vector, so that tiles begin and end within tensors.</summary>
    private const int TileParameters = 10_007;

    private const int MaxTilesPerUnit = 3;

    public void Run()
    {
        StoreGeometry geometry = StoreGeometry.Of(StoreOwner.Of(layout, numerics.Type, "check").Describe(layout, TileParameters, generations: 1));
        using var threads = new ParallelRanges(2);
        var cpu = new CpuTiles(layout, numerics.Type, threads);
        bool isFloat32 = numerics.Type == ComputeType.Float32;
        int elementBytes = isFloat32 ? sizeof(float) : sizeof(ushort);
        UpdateStep[] steps =
        [
            new(Constants(0.1, 0.7f), Constants(0, 0.7f), WeightDecayScope.Matrices),
            new(Constants(0.01, 1f), Constants(0.01, 1f), WeightDecayScope.All),
        ];
        foreach (UnitLayout unit in layout.Units.Where(unit => unit.Count > 0))
        {
            using var gradient = new MirroredMemory(device, unit.Count * elementBytes);
            using var weights = new MirroredMemory(device, unit.Count * elementBytes);
            gradient.Fill(random, unit.Count, isFloat32, scale: 0.1);
            weights.Fill(random, unit.Count, isFloat32, scale: 1);
            for (int tile = 0; tile < Math.Min(geometry.TileCount(unit.Index), MaxTilesPerUnit); tile++)
            {
                TileShape shape = geometry.Tile(new TileId(unit.Index, tile));
                using var source = new MirroredMemory(device, shape.SizeBytes);
                using var destination = new MirroredMemory(device, shape.SizeBytes);
                Fill(source, shape);
                foreach (UpdateStep step in steps)
                {
                    cpu.Update(unit.Index, shape, In(source.Host, shape), In(destination.Host, shape), gradient.Host, weights.Host, step);
                    compute.Update(unit.Index, shape, In(source.Device, shape), In(destination.Device, shape), gradient.Device, weights.Device, step);
                    Compare("update", destination);
                    Compare("updated weights", weights);
                    cpu.Update(unit.Index, shape, In(source.Host, shape), In(source.Host, shape), gradient.Host, null, step);
                    compute.Update(unit.Index, shape, In(source.Device, shape), In(source.Device, shape), gradient.Device, null, step);
                    Compare("update in place", source);
                }

                cpu.SetWeights(weights.Host, shape, In(source.Host, shape));
                compute.SetWeights(weights.Device, shape, In(source.Device, shape));
                Compare("set weights", weights);
                cpu.CopyTile(source.Host, destination.Host, shape.SizeBytes);
                compute.CopyTile(source.Device, destination.Device, shape.SizeBytes);
                Compare("copy tile", destination);
            }
        }
    }

    private static AdamWStates In(byte* tile, TileShape shape) => AdamWParts.In(tile, shape);

    private static AdamWStep Constants(double weightDecay, float scale) => new(new AdamWOptions(weightDecay: weightDecay), 1e-3, 7, scale);

    private void Fill(MirroredMemory tile, TileShape shape)
    {
        AdamWStates states = In(tile.Host, shape);
        for (int i = 0; i < shape.NumParameters; i++)
        {
            states.WeightHigh[i] = BFloat16Convert.FromSingle((float)((random.NextDouble() * 2) - 1));
            states.WeightLow[i] = (short)random.Next(short.MinValue, short.MaxValue);
            states.FirstMoment[i] = (float)((random.NextDouble() - 0.5) * 0.01);
            states.SecondMoment[i] = (float)(random.NextDouble() * 1e-4);
        }

        tile.Upload();
    }

    private void Compare(string operation, MirroredMemory memory)
    {
        if (memory.Download())
        {
            throw new InvalidOperationException($"{operation}: the device wrote behind the end of its memory");
        }

        errors.AddBits(operation, new ReadOnlySpan<byte>(memory.Host, (int)memory.SizeBytes), new ReadOnlySpan<byte>(memory.Found, (int)memory.SizeBytes));
    }
}
