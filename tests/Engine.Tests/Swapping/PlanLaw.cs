using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Tests.Compute;
using Offload.Engine.Training;
using Offload.Storage.Devices;
using Offload.Storage.States;
using Offload.Swap.Planning;
using Offload.Swap.Tests.Planning;

namespace Offload.Engine.Tests.Swapping;

/// <summary>
/// Laws 2 and 3: a random small model and a random plan give, after several steps, the bits of the resident model, with lanes that overlap and with
/// one operation at a time.
/// </summary>
internal sealed unsafe class PlanLaw : IDisposable
{
    private const int NumSteps = 4;

    /// <summary>The least that a store takes; small models then have several tiles too.</summary>
    private const int TileParameters = 4096;

    private readonly Random _random;
    private readonly RunNumerics _numerics;
    private readonly ModelLayout _layout;
    private readonly float[][] _masters;
    private readonly MicroBatch[][] _steps;
    private readonly MicroBatch[] _eval;
    private readonly StoreDescription _description;
    private readonly ParallelRanges _threads;
    private readonly string _scratchFolder;

    private PlanLaw(int seed, string scratchFolder)
    {
        _random = new Random(seed);
        _scratchFolder = scratchFolder;
        DecoderConfig config = RandomModels.Config(_random);
        _layout = ModelLayout.Create(config);
        _numerics = new RunNumerics
        {
            Type = _random.Next(2) == 0 ? ComputeType.Float32 : ComputeType.BFloat16,
            SequenceTokens = _random.Next(2, 14),
            MicroBatchSequences = _random.Next(1, 4),
            HeadChunkTokens = _random.Next(1, 20),
            Seed = 0,
            ComputeThreads = _random.Next(1, 3),
        };
        int numMicroBatches = _random.Next(1, 5);
        _masters = [.. _layout.Units.Select(unit => RandomModels.Parameters(_random, unit))];
        _steps = [.. Enumerable.Range(0, NumSteps).Select(_ => Batches(config, numMicroBatches))];
        _eval = [.. Enumerable.Range(0, 2).SelectMany(_ => Batches(config, numMicroBatches)).Take(_random.Next(1, 7))];
        // A part of the numerics: products are split among them.
        ComputeThreads.Set(_numerics.ComputeThreads);
        _threads = new ParallelRanges(_numerics.ComputeThreads);
        Work = ModelWorkload.Create(
            _layout, _numerics.Type, _numerics.SequenceTokens, _numerics.MicroBatchSequences, numMicroBatches, _numerics.HeadChunkTokens, TileParameters);
        Plan = RandomPlan.For(Work, _random);
        _description = StoreOwner.Of(_layout, _numerics.Type, "law").Describe(_layout, TileParameters, generations: 2);
    }

    private Workload Work { get; }

    private SwapPlan Plan { get; }

    /// <summary>Checks one model and plan.</summary>
    /// <param name="seed">Of both.</param>
    /// <param name="scratchFolder">For what the plan puts on drives beside the states.</param>
    /// <returns>What is wrong; null: nothing.</returns>
    public static string? FindProblem(int seed, string scratchFolder)
    {
        using var law = new PlanLaw(seed, scratchFolder);
        string where = $"seed {seed}: {RandomModels.Describe(law._layout.Config)}, {law._numerics.Type}, {law.Plan.Order}, {law.Plan.Update}, {(law.Plan.IsDurable ? "durable" : "in memory")}, delayed {law.Plan.DelayedShare:F2}";
        try
        {
            Result expected = law.RunResident();
            return law.FindDifference(expected, law.RunSwapped(isSequential: false), $"{where}, overlapped")
                ?? law.FindDifference(expected, law.RunSwapped(isSequential: true), $"{where}, sequential");
        }
        catch (Exception error)
        {
            throw new InvalidOperationException(where, error);
        }
    }

    public void Dispose() => _threads.Dispose();

    private Result RunResident()
    {
        using var model = new ResidentModel(_layout, _numerics, _threads);
        WriteMasters(model);
        var decider = new Decider(this, store: null);
        var losses = new List<double>();
        for (int step = 0; step < NumSteps; step++)
        {
            StepGradients gradients = model.ComputeGradients(_steps[step]);
            if (decider.Decide(step, gradients) is { } update)
            {
                model.Update(update);
            }
        }

        losses.AddRange(decider.Losses);
        losses.Add(model.Evaluate(_eval));
        var states = (ResidentStates)model.States;
        return new Result(losses, [.. states.Units.Select(unit => unit.Parts.Select(part => part.AsSpan<byte>(0, (int)part.SizeBytes).ToArray()).ToArray())]);
    }

    private Result RunSwapped(bool isSequential)
    {
        using StateStore store = StateStore.Create(new MemoryDevice(StoreGeometry.Of(_description).SizeBytes), _description);
        var options = new SwapModelOptions { IsSequential = isSequential, ScratchFolders = [_scratchFolder], UpdateThreads = _random.Next(1, 3) };
        using var model = new SwapModel(_layout, _numerics, Work, Plan, store, options);
        WriteMasters(model.States);
        model.States.Save();
        if (!Plan.IsDurable)
        {
            // Speculative updates in memory are not asked for a store; its checkpoint is.
            Assert(store.LastCommit is null, "a commit before the first");
        }

        store.Commit(0, []);
        var decider = new Decider(this, store);
        var losses = new List<double>();
        long begun = 0;
        for (int step = 0; step < NumSteps; step++)
        {
            for (; begun < NumSteps && begun < step + model.MaxBegun && !(begun > step && begun == decider.Boundary); begun++)
            {
                model.Begin(new StepWork(begun, _steps[begun], decider));
            }

            model.End();
            if (step + 1 == decider.Boundary)
            {
                // In the middle, too, it must be possible to stop, evaluate and go on.
                losses.Add(model.Evaluate(_eval));
            }
        }

        model.Complete();
        List<double> all = [.. decider.Losses, model.Evaluate(_eval)];
        model.States.Save();
        store.Commit(NumSteps + 1, []);
        return new Result(all, ReadParts(store));
    }

    private byte[][][] ReadParts(StateStore store)
    {
        var parts = new List<byte[][]>();
        foreach (UnitLayout unit in _layout.Units)
        {
            int[] elementBytes = [sizeof(ushort), sizeof(short), sizeof(float), sizeof(float)];
            byte[][] found = [.. elementBytes.Select(size => new byte[unit.Count * size])];
            if (unit.Count > 0)
            {
                using var reader = new TileReader(
                    store, Enumerable.Range(0, store.Geometry.TileCount(unit.Index)).Select(tile => new TileRead(new TileId(unit.Index, tile), PartSet.All)));
                while (reader.MoveNext())
                {
                    for (int part = 0; part < found.Length; part++)
                    {
                        PartRange range = reader.Shape.PartRange(part);
                        new ReadOnlySpan<byte>(reader.Address + range.OffsetBytes, range.SizeBytes).CopyTo(found[part].AsSpan((int)reader.Shape.FirstParameter * elementBytes[part]));
                    }
                }
            }

            parts.Add(found);
        }

        return [.. parts];
    }

    private string? FindDifference(Result expected, Result found, string where)
    {
        for (int i = 0; i < expected.Losses.Count; i++)
        {
            if (BitConverter.DoubleToInt64Bits(expected.Losses[i]) != BitConverter.DoubleToInt64Bits(found.Losses[i]))
            {
                return $"{where}: loss {i} is {found.Losses[i]:R}, expected {expected.Losses[i]:R}";
            }
        }

        foreach (UnitLayout unit in _layout.Units)
        {
            for (int part = 0; part < expected.Parts[unit.Index].Length; part++)
            {
                int same = expected.Parts[unit.Index][part].AsSpan().CommonPrefixLength(found.Parts[unit.Index][part]);
                if (same < expected.Parts[unit.Index][part].Length)
                {
                    return $"{where}: {unit.Name} ({Plan.Units[unit.Index]}), part {part} differs from byte {same} of {expected.Parts[unit.Index][part].Length} on";
                }
            }
        }

        return null;
    }

    private void WriteMasters(IMasterWeightsTarget target)
    {
        for (int unit = 0; unit < _masters.Length; unit++)
        {
            for (int offset = 0; offset < _masters[unit].Length; offset += 1000)
            {
                target.WriteMasters(unit, offset, _masters[unit].AsSpan(offset, Math.Min(1000, _masters[unit].Length - offset)));
            }
        }

        target.CompleteMasters();
    }

    private MicroBatch[] Batches(DecoderConfig config, int count) => [.. Enumerable.Range(0, count).Select(index =>
    {
        // The last one may be smaller, and sometimes nothing in one counts.
        var shape = new BatchShape(index == count - 1 ? _random.Next(1, _numerics.MicroBatchSequences + 1) : _numerics.MicroBatchSequences, _numerics.SequenceTokens);
        bool isCounted = index == 0 || _random.Next(6) > 0;
        return new MicroBatch(
            shape,
            [.. Enumerable.Range(0, shape.Rows).Select(_ => _random.Next(config.VocabularySize))],
            [.. Enumerable.Range(0, shape.Rows).Select(row => isCounted && (row == 0 || _random.Next(5) > 0) ? _random.Next(config.VocabularySize) : -100)]);
    })];

    private static void Assert(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException(what);
        }
    }

    /// <param name="Losses">Of the steps, then of the evaluation.</param>
    /// <param name="Parts">By unit and part: the bytes of the states.</param>
    private sealed record Result(IReadOnlyList<double> Losses, byte[][][] Parts);

    /// <summary>Clips, skips and commits as the plan allows.</summary>
    private sealed class Decider : IStepDecider
    {
        private readonly StateStore? _store;
        private readonly double _maxNorm;
        private readonly int _skipped;
        private readonly int _commitEvery;
        private readonly bool _isDurable;
        private long _updates;
        private long _next;

        public Decider(PlanLaw law, StateStore? store)
        {
            // The same choices for every run of a seed.
            var random = new Random(law._masters[0].Length);
            bool isImmediate = law.Plan.Update == UpdateMode.Immediate;
            _store = store;
            _isDurable = law.Plan.IsDurable;
            _maxNorm = isImmediate ? 0 : random.Next(3) * 0.7;
            _skipped = isImmediate ? -1 : random.Next(-1, NumSteps);
            _commitEvery = law.Plan.Update == UpdateMode.Speculative ? 1 : random.Next(1, 4);
            Boundary = random.Next(1, NumSteps + 1);
        }

        public int Boundary { get; }

        public List<double> Losses { get; } = [];

        public UpdateStep Unclipped(long step)
        {
            Assert(step == Volatile.Read(ref _next), $"step {step} is updated before the one before it is decided");
            return Constants(step, 1);
        }

        public UpdateStep? Decide(long step, StepGradients gradients)
        {
            Assert(step == _next, $"step {step} is decided, {_next} was to be");
            Losses.Add(gradients.Loss);
            Losses.Add(gradients.Norm);
            UpdateStep? update = step == _skipped ? null : Constants(step, GradientNorm.ClipScale(gradients.Norm, _maxNorm));
            _updates += update is null ? 0 : 1;
            Volatile.Write(ref _next, step + 1);
            return update;
        }

        public bool CommitIsDue(long step)
        {
            Assert(step < Volatile.Read(ref _next), $"step {step} is to be committed and not decided");
            return (step + 1) % _commitEvery == 0;
        }

        public void Commit(long step)
        {
            Assert(_isDurable, "a commit of a plan that makes none");
            _store!.Commit(step + 1, []);
        }

        private UpdateStep Constants(long step, float scale)
        {
            return new UpdateStep(Of(0.1), Of(0), WeightDecayScope.Matrices);

            AdamWStep Of(double weightDecay) => new(new AdamWOptions(0.9, 0.95, 1e-8, weightDecay), 0.01 * (step + 1), _updates + 1, scale);
        }
    }
}
