using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Training;

/// <summary>
/// Law 4, faults: runs over a tiny model with states on drives, from the making or opening of their store to their export, in which one operation of
/// a device fails or reads a wrong bit. A failure is never swallowed; its error names path, operation, place and cause; a wrong bit is refused by
/// the tile's name, or harmless where there is a second copy; nothing leaks or hangs; no commit is lost, and the run goes on right behind its last
/// one to the undisturbed run's weights.
/// </summary>
internal static partial class FaultCheck
{
    private const long None = -1;

    internal static readonly Kind[] Kinds =
    [
        new("EIO", FaultTarget.Any, _ => Fault.Error(5), "EIO (5): "),
        new("short read", FaultTarget.Read, _ => Fault.ShortTransfer(512), " bytes were transferred"),
        new("short write", FaultTarget.Write, _ => Fault.ShortTransfer(512), " bytes were transferred"),
        new("ENOSPC in a write", FaultTarget.Write, _ => Fault.Error(28), "ENOSPC (28): "),
        new("ENOSPC in a flush", FaultTarget.Flush, _ => Fault.Error(28), "ENOSPC (28): "),
        new("flipped bit in a read", FaultTarget.Read, index => Fault.FlippedBit(new Random((int)index).NextInt64()), Text: null),
    ];

    /// <summary>What happened.</summary>
    /// <param name="Operations">Operations of the undisturbed processes.</param>
    /// <param name="Runs">Processes in which something was to go wrong.</param>
    /// <param name="Hit">Of these, the ones in which it did: the order of operations varies a little.</param>
    /// <param name="Refused">Of these, the ones that ended with an error.</param>
    /// <param name="Harmless">Of these, the ones with a wrong bit where there is a second copy.</param>
    /// <param name="Resumed">Runs that were refused and went on behind a commit.</param>
    /// <param name="Lost">Stores of one generation that were refused afterwards, as they may be.</param>
    /// <param name="Problem">The first of each scenario that was wrong, in lines; null if nothing was.</param>
    public sealed record Result(long Operations, int Runs, int Hit, int Refused, int Harmless, int Resumed, int Lost, string? Problem);

    /// <summary>Runs it; libtorch must be loaded.</summary>
    /// <param name="sample">Cases of each scenario, drawn at random; null: all.</param>
    /// <param name="seed">Of the drawing.</param>
    /// <param name="progress">Told each scenario that is over, in a line; or null.</param>
    public static Result Run(int? sample, int seed, Action<string>? progress = null)
    {
        string folder = Directory.CreateTempSubdirectory("offload-faults-").FullName;
        try
        {
            FaultScenario.WriteInputs(folder);
            var random = new Random(seed);
            var problems = new List<string>();
            var result = new Result(0, 0, 0, 0, 0, 0, 0, null);
            foreach (FaultScenario scenario in FaultScenario.All(folder))
            {
                long start = Stopwatch.GetTimestamp();
                Result before = result;
                result = RunScenario(scenario, sample, random, result with { Problem = null });
                if (result.Problem is { } problem)
                {
                    problems.Add($"{scenario.Name}: {problem}");
                }

                progress?.Invoke(
                    $"{scenario.Name}: {result.Runs - before.Runs} runs, {result.Refused - before.Refused} refused, {result.Harmless - before.Harmless} harmless, {result.Lost - before.Lost} lost; {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
                scenario.Forget();
            }

            return result with { Problem = problems.Count > 0 ? string.Join(Environment.NewLine, problems) : null };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Result RunScenario(FaultScenario scenario, int? sample, Random random, Result result)
    {
        scenario.Prepare();
        FaultSitting undisturbed = scenario.Run([.. scenario.StoreFolders.Select(_ => new FaultPlan())], scenario.Resumes);
        if (undisturbed.WeightsHash is not { } expected)
        {
            return result with { Problem = $"undisturbed: {undisturbed.Error}" };
        }

        StorePlaces places = scenario.Places();
        Case[] cases =
        [
            .. from kind in Kinds
               from member in Enumerable.Range(0, scenario.NumFolders)
               from index in Enumerable.Range(0, (int)undisturbed.Recorders[member].Count(kind.Target))
               select new Case(kind, member, index),
        ];
        result = result with { Operations = result.Operations + undisturbed.Recorders.Sum(recorder => recorder.Count(FaultTarget.Any)) };
        if (sample is int count)
        {
            random.Shuffle(cases);
            cases = cases[..Math.Min(count, cases.Length)];
        }

        foreach (Case one in cases)
        {
            result = RunCase(scenario, one, expected, places, result with { Runs = result.Runs + 1 });
            if (result.Problem is { } problem)
            {
                return result with { Problem = $"{one.Kind.Name}, number {one.Index} in folder {one.Member}: {problem}" };
            }
        }

        return result;
    }

    private static Result RunCase(FaultScenario scenario, Case one, string expected, StorePlaces places, Result result)
    {
        scenario.Prepare();
        (long, long) memoryBefore = (NativeBuffer.OutstandingBytes, SlotArena.OutstandingBytes);
        long known = scenario.CommittedStep() ?? None;
        FaultPlan[] plans = [.. scenario.StoreFolders.Select(_ => new FaultPlan())];
        plans[one.Member].At(one.Index, one.Kind.Make(one.Index), one.Kind.Target);
        FaultSitting sitting = scenario.Run(plans, scenario.Resumes);
        FaultHit? hit = sitting.Hit;
        string what = hit is null ? "nothing was hit" : hit.MessageStart + one.Kind.Name;
        if ((NativeBuffer.OutstandingBytes, SlotArena.OutstandingBytes) is var memory && memory != memoryBefore)
        {
            return result with { Problem = $"{what}: native memory was left: {memory} bytes of buffers and slots, {memoryBefore} before" };
        }

        result = result with { Hit = result.Hit + (hit is null ? 0 : 1) };
        if (FindProblem(sitting, hit, one.Kind, places, expected) is { } problem)
        {
            return result with { Problem = $"{what}: {problem}" };
        }

        if (sitting.Error is null && known >= 0 && sitting.FirstStep != known + 1)
        {
            return result with { Problem = $"{what}: the store stood at step {known}, the first step was {sitting.FirstStep}" };
        }

        if (sitting.Error is null)
        {
            return result with { Harmless = result.Harmless + (hit is null ? 0 : 1) };
        }

        result = GoOn(scenario, Math.Max(known, sitting.LastStep - 1 ?? None), expected, result with { Refused = result.Refused + 1 });
        if (result.Problem is null && (NativeBuffer.OutstandingBytes, SlotArena.OutstandingBytes) != memoryBefore)
        {
            result = result with { Problem = "native memory was left" };
        }

        return result.Problem is null ? result : result with { Problem = $"{what}: {sitting.Error.Message}; after that: {result.Problem}" };
    }

    /// <summary>Whether the process ended as it should.</summary>
    internal static string? FindProblem(FaultSitting sitting, FaultHit? hit, Kind kind, StorePlaces places, string expected)
    {
        if (sitting.Error is not { } error)
        {
            return sitting.WeightsHash != expected ? $"no error, and weights {sitting.WeightsHash}, expected {expected}"
                : hit is null || MayBeHarmless(hit, places.Of(hit)) ? null
                : kind.IsFlip ? "the wrong bit of a tile was not noticed"
                : "the failure was swallowed";
        }

        if (hit is null)
        {
            return $"nothing went wrong, and yet: {error}";
        }

        if (!kind.IsFlip)
        {
            return error is StorageException && error.Message.Contains(hit.MessageStart, StringComparison.Ordinal) && error.Message.Contains(kind.Text!, StringComparison.Ordinal)
                ? null
                : $"the error does not say what happened where: {error}";
        }

        bool isNamed = error is StoreMismatchException mismatch && places.Of(hit) switch
        {
            StorePlaces.Kind.Tile => NamesTile(mismatch.Message, places.StoreOffset(hit), hit.SizeBytes),
            _ => false,
        };
        return isNamed ? null : $"expected {(places.Of(hit) == StorePlaces.Kind.Tile ? "the tile's name" : "no harm, there is a second copy")}: {error}";
    }

    /// <summary>Of labels, first block and description there is a second copy; commit records are read a second time, when the fault is over.</summary>
    private static bool MayBeHarmless(FaultHit hit, StorePlaces.Kind place) => hit.Operation == FaultTarget.Read && place != StorePlaces.Kind.Tile;

    /// <summary>Whether a message is about a part of a tile that the operation read.</summary>
    private static bool NamesTile(string message, long offsetBytes, int sizeBytes)
    {
        Match named = DamagedPart().Match(message);
        if (!named.Success)
        {
            return false;
        }

        long partOffsetBytes = long.Parse(named.Groups["offset"].ValueSpan, CultureInfo.InvariantCulture);
        long partBytes = long.Parse(named.Groups["size"].ValueSpan, CultureInfo.InvariantCulture);
        return partOffsetBytes < offsetBytes + sizeBytes && offsetBytes < partOffsetBytes + partBytes;
    }

    /// <summary>A process without a fault, after one that was refused; the known step must be committed at least.</summary>
    private static Result GoOn(FaultScenario scenario, long known, string expected, Result result)
    {
        long committed = scenario.CommittedStep() ?? None;
        if (committed < known)
        {
            return result with { Problem = $"step {known} was committed, the store stands at step {committed}" };
        }

        FaultSitting next = scenario.Run(plans: null, resume: true);
        if (next.Error is { } error)
        {
            bool mayBeLost = scenario.SingleGeneration && committed >= 0 && error is StoreMismatchException && error.Message.Contains("states are lost", StringComparison.Ordinal);
            return mayBeLost ? result with { Lost = result.Lost + 1 } : result with { Problem = $"{error}" };
        }

        long? firstStep = committed == FaultScenario.Steps ? null : Math.Max(committed, 0) + 1;
        return next.FirstStep != firstStep ? result with { Problem = $"the store stood at step {committed}, the first step was {next.FirstStep}" }
            : next.WeightsHash != expected ? result with { Problem = $"resumed to weights {next.WeightsHash}, expected {expected}" }
            : result with { Resumed = result.Resumed + (committed >= 0 ? 1 : 0) };
    }

    [GeneratedRegex("damaged: unit '[^']+', tile [0-9]+, part '[^']+', (?<size>[0-9]+) bytes at offset (?<offset>[0-9]+): expected checksum")]
    private static partial Regex DamagedPart();

    /// <summary>What goes wrong.</summary>
    /// <param name="Name">For messages.</param>
    /// <param name="Target">Which operations.</param>
    /// <param name="Make">The fault of an index.</param>
    /// <param name="Text">What the error says of it; null: a wrong bit.</param>
    internal sealed record Kind(string Name, FaultTarget Target, Func<long, Fault> Make, string? Text)
    {
        public bool IsFlip => Text is null;
    }

    /// <summary>One fault in one folder.</summary>
    private sealed record Case(Kind Kind, int Member, long Index);
}
