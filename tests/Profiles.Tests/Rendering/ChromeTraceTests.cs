using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Offload.Profiles.Rendering;
using Offload.Profiles.Tracing;

namespace Offload.Profiles.Tests.Rendering;

public sealed class ChromeTraceTests
{
    [Property]
    public Property Write_AnyTraces_IsJsonWhoseEventsAscendAndNeverOverlapOnATrack() => Prop.ForAll(TraceGen.Traces, TraceGen.Traces, (first, second) =>
    {
        JsonElement[] events = Events(new NamedTrace("predicted", first), new NamedTrace("measured <x>", second));
        foreach (IGrouping<(int, int), JsonElement> track in events.Where(IsComplete).GroupBy(Track))
        {
            decimal end = decimal.MinValue;
            foreach (JsonElement one in track)
            {
                decimal start = one.GetProperty("ts").GetDecimal();
                decimal duration = one.GetProperty("dur").GetDecimal();
                Assert.True(start >= end && duration >= 0, $"{one} begins before {end}");
                end = start + duration;
            }
        }

        Assert.Equal(first.Operations.Count + second.Operations.Count, events.Count(IsComplete));
        foreach ((StepTrace trace, int process) in new[] { (first, 1), (second, 2) })
        {
            JsonElement[] named = [.. events.Where(one => one.GetProperty("name").GetString() == "thread_name" && one.GetProperty("pid").GetInt32() == process)];
            Assert.Equal(trace.Lanes, named.Select(one => one.GetProperty("args").GetProperty("name").GetString()));
            Assert.Equal(trace.Operations.Count, events.Count(one => IsComplete(one) && one.GetProperty("pid").GetInt32() == process));
        }
    });

    [Fact]
    public void Write_AnOperation_HasItsTimesInMicrosecondsAndWhatIsKnownOfIt()
    {
        TraceOperation read = TraceGen.Operation(1, "LoadWeights", "layer 3", 0.0010005, 0.0020005, waitedFor: 0);

        JsonElement one = Assert.Single(Events(new NamedTrace("measured", TraceGen.Of(["Compute", "H2D"], [read]))), IsComplete);

        Assert.Equal(("LoadWeights layer 3", 1000.5m, 1000m, 2), (one.GetProperty("name").GetString(), one.GetProperty("ts").GetDecimal(), one.GetProperty("dur").GetDecimal(), one.GetProperty("tid").GetInt32()));
        Assert.Equal(
            """{"step":0,"unit":"layer 3","microBatch":1,"tile":2,"bytes":1000000,"gBps":1,"flops":5000000000,"tflops":5,"waitedFor":"Compute"}""",
            one.GetProperty("args").GetRawText());
    }

    [Fact]
    public void Write_AnUpdate_CountsParameters()
    {
        JsonElement one = Assert.Single(Events(new NamedTrace("measured", TraceGen.Of(["CpuUpdate"], [TraceGen.Operation(0, "UpdateStates", "head", 0, 0.001)]))), IsComplete);

        Assert.Equal(1_000_000, one.GetProperty("args").GetProperty("parameters").GetInt64());
        Assert.False(one.GetProperty("args").TryGetProperty("bytes", out _));
    }

    [Fact]
    public void Write_OverlappingOperationsOfALane_AreRefused()
    {
        StepTrace trace = TraceGen.Of(["Compute"], [TraceGen.Operation(0, "Forward", "layer 0", 0, 2e-3), TraceGen.Operation(0, "Forward", "layer 1", 1e-3, 3e-3)]);

        var error = Assert.Throws<ArgumentException>(() => Events(new NamedTrace("measured", trace)));

        Assert.Contains("lane Compute: Forward of 'layer 1' starts at 1000000 ns", error.Message, StringComparison.Ordinal);
    }

    private static bool IsComplete(JsonElement one) => one.GetProperty("ph").GetString() == "X";

    private static (int Process, int Thread) Track(JsonElement one) => (one.GetProperty("pid").GetInt32(), one.GetProperty("tid").GetInt32());

    private static JsonElement[] Events(params NamedTrace[] traces)
    {
        using var output = new MemoryStream();
        ChromeTrace.Write(output, traces);
        using JsonDocument document = JsonDocument.Parse(output.ToArray());
        return [.. document.RootElement.Clone().GetProperty("traceEvents").EnumerateArray()];
    }
}
