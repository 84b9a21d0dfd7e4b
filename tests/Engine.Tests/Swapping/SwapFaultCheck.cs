using System.Diagnostics;
using Offload.Engine.Tests.Training;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Swapping;

/// <summary>
/// Law 4, faults in every lane: runs of the swapped model in all orders and update modes, by random plans, in which one operation fails: of the
/// store's device, of the scratch files, of a lane; or the run is stopped, or its caller fails in the middle of a step or of an evaluation. The
/// first error comes out as it was, within seconds; nothing leaks; no commit is lost, and the run goes on right behind its last one, resident or by
/// any plan, to the weights of a resident run that nothing happened to.
/// </summary>
internal static class SwapFaultCheck
{
    private const long None = -1;

    private static readonly Lane[] Lanes = [Lane.Compute, Lane.H2D, Lane.D2H, Lane.SsdRead, Lane.SsdWrite, Lane.CpuUpdate];

    /// <summary>All orders with their update modes.</summary>
    public static IReadOnlyList<(StepOrder Order, UpdateMode Update)> Combinations { get; } =
    [
        .. from order in Enum.GetValues<StepOrder>()
           from update in Enum.GetValues<UpdateMode>()
           where order switch
           {
               StepOrder.Fuyou => update is UpdateMode.Immediate or UpdateMode.Separate,
               StepOrder.ZeroInfinity => update == UpdateMode.Separate,
               _ => true,
           }
           select (order, update),
    ];

    /// <summary>What happened.</summary>
    /// <param name="Runs">Runs in which something was to go wrong.</param>
    /// <param name="Hit">Of these, the ones in which it did.</param>
    /// <param name="Stopped">Of these, the ones that ended before their end.</param>
    /// <param name="Resumed">Of these, the ones that went on behind a commit.</param>
    /// <param name="SlowestSeconds">Until the slowest of them was over.</param>
    /// <param name="Problem">What was wrong first; null: nothing.</param>
    public sealed record Result(int Runs, int Hit, int Stopped, int Resumed, double SlowestSeconds, string? Problem)
    {
        /// <summary>Both.</summary>
        public Result And(Result other) => new(
            Runs + other.Runs, Hit + other.Hit, Stopped + other.Stopped, Resumed + other.Resumed, Math.Max(SlowestSeconds, other.SlowestSeconds), Problem ?? other.Problem);
    }

    /// <summary>Runs it for one plan; libtorch must be loaded.</summary>
    /// <param name="order">Of the plan.</param>
    /// <param name="update">Of the plan.</param>
    /// <param name="sample">Cases, drawn at random; null: the first, a middle, the last and a random one of everything.</param>
    /// <param name="seed">Of the plan and the drawing.</param>
    public static Result Run(StepOrder order, UpdateMode update, int? sample, int seed)
    {
        string folder = Directory.CreateTempSubdirectory("offload-faults-").FullName;
        try
        {
            SwapFaultRun.WriteInputs(folder);
            var random = new Random(seed);
            var run = new SwapFaultRun(folder, order, update, random);
            Result result = RunAll(run, sample, random);
            return result with { Problem = result.Problem is null ? null : $"{run.Name}, seed {seed}: {result.Problem}" };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Result RunAll(SwapFaultRun run, int? sample, Random random)
    {
        var result = new Result(0, 0, 0, 0, 0, null);
        run.Clear();
        SwapFaultSitting resident = run.RunResident(resume: false);
        if (resident.WeightsHash is not { } expected)
        {
            return result with { Problem = $"resident: {resident.Error}" };
        }

        run.Clear();
        SwapFaultSitting undisturbed = run.RunSwapped();
        if (undisturbed.WeightsHash != expected)
        {
            return result with { Problem = $"undisturbed: weights {undisturbed.WeightsHash}, expected {expected}; {undisturbed.Error}" };
        }

        if (undisturbed.NumOperations(Lane.Compute) == 0 || undisturbed.NumOperations(Lane.CpuUpdate) == 0)
        {
            return result with { Problem = "undisturbed: no operations were seen" };
        }

        StorePlaces places = run.Places();
        ProcessResources atRest = ProcessResources.AtRest();
        Case[] cases = [.. Cases(undisturbed, random)];
        if (sample is int count)
        {
            random.Shuffle(cases);
            cases = cases[..Math.Min(count, cases.Length)];
        }

        foreach (Case one in cases)
        {
            result = result.And(RunCase(run, one, expected, places, atRest, random));
            if (result.Problem is not null)
            {
                return result with { Problem = $"{one}: {result.Problem}" };
            }
        }

        return result;
    }

    private static IEnumerable<Case> Cases(SwapFaultSitting undisturbed, Random random)
    {
        foreach (FaultCheck.Kind kind in FaultCheck.Kinds)
        {
            // What comes before the model's first use has a law of its own.
            foreach (long index in Places(undisturbed.Start[kind.Target], undisturbed.Store!.Count(kind.Target), random))
            {
                yield return new Case(kind.Name + " of the store") { StoreFault = kind, Index = index };
            }

            // Scratch files have no checksums: they hold nothing beyond the step.
            if (undisturbed.Scratch is { } scratch && !kind.IsFlip)
            {
                foreach (long index in Places(0, scratch.Count(kind.Target), random))
                {
                    yield return new Case(kind.Name + " of a scratch file") { ScratchFault = kind, Index = index };
                }
            }
        }

        foreach (Lane lane in Lanes)
        {
            foreach (long index in Places(0, undisturbed.NumOperations(lane), random))
            {
                yield return new Case($"exception in {lane}") { Lane = lane, Index = index };
                yield return new Case($"cancelled in {lane}") { Lane = lane, Index = index, IsCancelled = true };
            }
        }

        foreach (long index in Places(0, SwapFaultRun.Steps, random))
        {
            yield return new Case("disposed in the middle of a step") { Script = new InterruptedModel.Script { FailingEnd = index }, Index = index };
        }

        foreach (long index in Places(0, undisturbed.NumEvaluations, random))
        {
            int batch = random.Next(7);
            yield return new Case("evaluation without data") { Script = new InterruptedModel.Script { CutEvaluation = index, CutBatch = batch }, Index = index };
            yield return new Case("evaluation made again") { Script = new InterruptedModel.Script { CutEvaluation = index, CutBatch = batch, Repeats = true }, Index = index };
        }
    }

    private static IEnumerable<long> Places(long first, long end, Random random) =>
        first >= end ? [] : ((long[])[first, (first + end) / 2, end - 1, random.NextInt64(first, end)]).Distinct();

    private static Result RunCase(SwapFaultRun run, Case one, string expected, StorePlaces places, ProcessResources atRest, Random random)
    {
        run.Clear();
        var result = new Result(1, 0, 0, 0, 0, null);
        using var stop = new CancellationTokenSource();
        var injected = new TimeoutException("the lane's");
        long start = Stopwatch.GetTimestamp();
        SwapFaultSitting sitting = run.RunSwapped(
            one.StoreFault is { } kind ? new FaultPlan().At(one.Index, kind.Make(one.Index), kind.Target) : null,
            one.ScratchFault is { } scratchKind ? new FaultPlan().At(one.Index, scratchKind.Make(one.Index), scratchKind.Target) : null,
            (lane, index) =>
            {
                if (lane != one.Lane || index != one.Index)
                {
                    return;
                }

                if (!one.IsCancelled)
                {
                    throw injected;
                }

                stop.Cancel();
            },
            one.Script,
            stop.Token);
        result = result with { SlowestSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds };
        FaultHit? hit = sitting.Store?.Hit ?? sitting.Scratch?.Hit;
        string what = hit is null ? "" : $"{hit.MessageStart}";
        if (ProcessResources.After(atRest) is var after && after != atRest)
        {
            return result with { Problem = $"{what}{sitting.Error?.Message}: it holds {after}, at rest {atRest}" };
        }

        if (Directory.EnumerateFileSystemEntries(run.ScratchFolder).Any())
        {
            return result with { Problem = $"{what}scratch files are left" };
        }

        if (FindProblem(sitting, one, hit, stop.IsCancellationRequested, injected, places, expected) is { } problem)
        {
            return result with { Problem = what + problem };
        }

        result = result with { Hit = hit is null && sitting.Error is null && one.Script?.Repeats != true ? 0 : 1 };
        return sitting.Error is null ? result : GoOn(run, one, sitting, expected, atRest, random, result with { Stopped = 1 });
    }

    /// <summary>Whether the run ended as it should.</summary>
    private static string? FindProblem(
        SwapFaultSitting sitting, Case one, FaultHit? hit, bool isCancelled, Exception injected, StorePlaces places, string expected)
    {
        if (one.StoreFault is { } kind)
        {
            // What other lanes meet because of it is not to come first.
            return hit is not null && !kind.IsFlip && sitting.Error is { } first && !first.Message.StartsWith(hit.MessageStart, StringComparison.Ordinal)
                ? $"another error came first: {first}"
                : FaultCheck.FindProblem(new FaultSitting(sitting.WeightsHash, sitting.Error, sitting.FirstStep, sitting.LastStep, [sitting.Store!]), hit, kind, places, expected);
        }

        if (sitting.Error is not { } error)
        {
            return sitting.WeightsHash != expected ? $"no error, and weights {sitting.WeightsHash}, expected {expected}"
                : hit is not null ? "the failure was swallowed"
                : one.Script is { Repeats: false } ? "the caller's error was swallowed"
                : null;
        }

        bool isRight = one switch
        {
            { ScratchFault: { } fault } => hit is not null && error is StorageException
                && error.Message.Contains(hit.MessageStart, StringComparison.Ordinal) && error.Message.Contains(fault.Text!, StringComparison.Ordinal),
            { Script: { } script } => error == script.Error && !script.Repeats,
            { IsCancelled: true } => error is OperationCanceledException && isCancelled,
            _ => error == injected,
        };
        return isRight ? null : $"another error: {error}";
    }

    /// <summary>A process without a fault, after one that ended early.</summary>
    private static Result GoOn(SwapFaultRun run, Case one, SwapFaultSitting sitting, string expected, ProcessResources atRest, Random random, Result result)
    {
        // Before an evaluation, durable models have committed; and a run that is stopped commits what it tells of.
        long known = Math.Max(run.IsDurable ? sitting.LastEvaluation ?? None : None, one.IsCancelled ? sitting.LastStep ?? None : None);
        long committed = run.CommittedStep() ?? None;
        if (committed < known)
        {
            return result with { Problem = $"{sitting.Error!.Message}: step {known} was committed, the store stands at step {committed}" };
        }

        bool isResident = random.Next(2) == 0;
        SwapFaultSitting next = isResident ? run.RunResident(resume: true) : run.ResumeSwapped(random.Next());
        string where = $"{sitting.Error!.Message}: resumed {(isResident ? "resident" : "by another plan")} after step {committed}";
        long? firstStep = committed == SwapFaultRun.Steps ? null : Math.Max(committed, 0) + 1;
        return next.Error is { } error ? result with { Problem = $"{where}: {error}" }
            : next.FirstStep != firstStep ? result with { Problem = $"{where}: the first step was {next.FirstStep}" }
            : next.WeightsHash != expected ? result with { Problem = $"{where}: weights {next.WeightsHash}, expected {expected}" }
            : ProcessResources.After(atRest) != atRest ? result with { Problem = $"{where}: it holds {ProcessResources.Now()}, at rest {atRest}" }
            : result with { Resumed = committed >= 0 ? 1 : 0 };
    }

    /// <summary>What goes wrong.</summary>
    /// <param name="Name">For messages.</param>
    private sealed record Case(string Name)
    {
        /// <summary>At which of the operations concerned.</summary>
        public required long Index { get; init; }

        /// <summary>Of the store's device.</summary>
        public FaultCheck.Kind? StoreFault { get; init; }

        /// <summary>Of the scratch files.</summary>
        public FaultCheck.Kind? ScratchFault { get; init; }

        /// <summary>An operation of it throws, or the run is stopped there.</summary>
        public Lane? Lane { get; init; }

        /// <summary>The run is stopped.</summary>
        public bool IsCancelled { get; init; }

        /// <summary>What the caller does.</summary>
        public InterruptedModel.Script? Script { get; init; }

        public override string ToString() => $"{Name}, number {Index}{(Script is { CutBatch: var batch } ? $" ({batch})" : "")}";
    }
}
