using Offload.Cli.Rendering;
using Offload.Profiles;
using Offload.Profiles.Rendering;
using Offload.Profiles.Tracing;

namespace Offload.Cli.Tests.Rendering;

public sealed class PngTimelineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-timeline-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Render_TwoTraces_IsAPictureTallerThanOneAlone()
    {
        var named = new NamedTrace("predicted", Trace(1000));

        byte[] one = PngTimeline.Render("a step", named);
        byte[] two = PngTimeline.Render("a step", named, new NamedTrace("measured", Trace(10)));

        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], one[..4]);
        Assert.True(HeightOf(two) > HeightOf(one));

        // An empty picture of that size would be smaller.
        Assert.True(one.Length > PngTimeline.Render("a step", new NamedTrace("predicted", Trace(0))).Length);
    }

    [Fact]
    public void Render_AHundredThousandOperations_IsQuick()
    {
        long begin = Environment.TickCount64;

        PngTimeline.Render("a step", new NamedTrace("predicted", Trace(50_000)));

        Assert.InRange(Environment.TickCount64 - begin, 0, 20_000);
    }

    [Theory]
    [InlineData("a.png", 0x89)]
    [InlineData("a.html", '<')]
    [InlineData("a.JSON", '{')]
    public void Write_EachEnding_IsThatKindOfFile(string name, int firstByte)
    {
        string path = Path.Combine(_folder, name);
        TimelineFile.Check("--timeline", path);

        TimelineFile.Write(path, "a step", ["note"], new NamedTrace("predicted", Trace(5)));

        Assert.Equal((byte)firstByte, File.ReadAllBytes(path)[0]);
    }

    [Theory]
    [InlineData("a.gif", "--timeline: expected a file ending in .png, .html or .json, found a.gif")]
    [InlineData("/nowhere/a.png", "--timeline: the folder /nowhere does not exist")]
    public void Check_WhatCannotBeWritten_IsRefused(string path, string expected) =>
        Assert.Equal(expected, Assert.Throws<UsageException>(() => TimelineFile.Check("--timeline", path)).Message);

    // Width and height are the first numbers of the first chunk, big endian.
    private static int HeightOf(byte[] png) => System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20));

    private static StepTrace Trace(int operationsPerLane) => new()
    {
        Lanes = ["Compute", "H2D"],
        Operations =
        [
            .. Enumerable.Range(0, 2).SelectMany(lane => Enumerable.Range(0, operationsPerLane).Select(i => new TraceOperation
            {
                Index = i,
                Lane = lane,
                Kind = lane == 0 ? (i % 7 < 3 ? "Forward" : "Backward") : "LoadWeights",
                Unit = $"layer {i}",
                MicroBatch = 0,
                Tile = TraceOperation.None,
                Period = i * 2 / Math.Max(1, operationsPerLane),
                StartSeconds = (i + (0.3 * lane)) * 1e-3,
                EndSeconds = (i + 0.5 + (0.3 * lane)) * 1e-3,
                WaitedForLane = TraceOperation.None,
            })),
        ],
        NumPeriods = 2,
        PeriodSeconds = 0.5,
        PeriodEndSeconds = [0.5, 1],
        Summaries = [new LaneSummary { Name = "Compute", BusySeconds = 0.4, IdleSeconds = new Dictionary<string, double>() }, new LaneSummary { Name = "H2D", BusySeconds = 0.2, IdleSeconds = new Dictionary<string, double>() }],
    };
}
