using FsCheck;
using FsCheck.Fluent;
using Offload.Profiles.Tracing;

namespace Offload.Profiles.Tests.Rendering;

/// <summary>Random traces that could have happened: operations of a lane one after the other, some of no length, some far from the trace's begin.</summary>
internal static class TraceGen
{
    private static readonly string[] Lanes = ["Compute", "H2D", "D2H", "SsdRead", "SsdWrite", "CpuUpdate"];
    private static readonly string[] Kinds = ["Forward", "Backward", "LoadWeights", "SaveGradients", "ReadStates", "WriteStates", "UpdateStates", "Other"];
    private static readonly string[] Units = ["", "embedding", "layer 0", "layer 10", "head", "</script><b>\"&'", "http:example"];

    public static Arbitrary<StepTrace> Traces { get; } = (
        from numLanes in Gen.Choose(1, Lanes.Length)
        from offset in Gen.Elements(0.0, 0.1, 12345.678901234)
        from counts in Gen.Choose(0, 20).ArrayOf(numLanes)
        from lanes in Gen.CollectToArray(Enumerable.Range(0, numLanes), lane => LaneOf(lane, numLanes, counts[lane], offset))
        select Of(Lanes[..numLanes], [.. lanes.SelectMany(operations => operations)])).ToArbitrary();

    public static StepTrace Of(IReadOnlyList<string> lanes, TraceOperation[] operations) => new()
    {
        Lanes = lanes,
        Operations = operations,
        NumPeriods = 2,
        PeriodSeconds = 0.5,
        PeriodEndSeconds = [0.5, 1],
        Summaries = [.. lanes.Select(lane => new LaneSummary { Name = lane, BusySeconds = 0.2, IdleSeconds = new Dictionary<string, double> { [lanes[^1]] = 0.2, [LaneSummary.OtherCause] = 0.1 } })],
    };

    public static TraceOperation Operation(int lane, string kind, string unit, double start, double end, int waitedFor = TraceOperation.None) => new()
    {
        Index = 0,
        Lane = lane,
        Kind = kind,
        Unit = unit,
        MicroBatch = 1,
        Tile = 2,
        Period = 0,
        StartSeconds = start,
        EndSeconds = end,
        WaitedForLane = waitedFor,
        Amount = 1_000_000,
        Flops = 5e9,
    };

    private static Gen<TraceOperation[]> LaneOf(int lane, int numLanes, int count, double offset) =>
        from gaps in Gen.Elements(0.0, 0.0, 1e-10, 1e-6, 0.00123456789).ArrayOf(count)
        from lengths in Gen.Elements(0.0, 1e-10, 3.3e-7, 0.001, 0.7).ArrayOf(count)
        from kinds in Gen.Elements(Kinds).ArrayOf(count)
        from units in Gen.Elements(Units).ArrayOf(count)
        from waited in Gen.Choose(-1, numLanes - 1).ArrayOf(count)
        select Chain(lane, offset, gaps, lengths, kinds, units, waited);

    private static TraceOperation[] Chain(int lane, double offset, double[] gaps, double[] lengths, string[] kinds, string[] units, int[] waited)
    {
        var operations = new TraceOperation[gaps.Length];
        double now = offset;
        for (int i = 0; i < operations.Length; i++)
        {
            double start = now + gaps[i];
            now = start + lengths[i];
            operations[i] = Operation(lane, kinds[i], units[i], start, now, waited[i]) with { Period = i % 2, MicroBatch = (i % 3) - 1, Tile = (i % 4) - 1, Amount = i % 2, Flops = i % 3 };
        }

        return operations;
    }
}
