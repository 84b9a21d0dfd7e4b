using System.Text.Json;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Offload.Profiles.Rendering;
using Offload.Profiles.Tracing;

namespace Offload.Profiles.Tests.Rendering;

public sealed partial class HtmlTimelineTests
{
    [Property]
    public Property Render_AnyTrace_RefersToNothingOutsideAndHoldsEveryOperation() => Prop.ForAll(TraceGen.Traces, trace =>
    {
        string page = HtmlTimeline.Render("a <title> of /*DATA*/", ["note & <i>"], new NamedTrace("predicted", trace));

        Assert.DoesNotMatch(Outside(), page);
        JsonElement data = DataOf(page);
        Assert.Equal(trace.Operations.Count, data[0].GetProperty("operations").GetArrayLength());
        foreach ((JsonElement one, TraceOperation operation) in data[0].GetProperty("operations").EnumerateArray()
            .Zip(trace.Operations.OrderBy(operation => operation.Lane).ThenBy(operation => operation.StartSeconds)))
        {
            Assert.Equal(operation.Kind, data[0].GetProperty("kinds")[one[1].GetInt32()].GetString());
            Assert.Equal(operation.Unit, data[0].GetProperty("units")[one[2].GetInt32()].GetString());
            Assert.Equal(operation.StartSeconds * 1e6, one[6].GetDouble(), 1e-3);
        }
    });

    [Fact]
    public void Render_TextOfOthers_IsEscaped()
    {
        StepTrace trace = TraceGen.Of(["Compute"], [TraceGen.Operation(0, "Forward", "</script><script>alert(1)", 0, 1)]);

        string page = HtmlTimeline.Render("<b>", ["<i>"], new NamedTrace("<u>", trace));

        Assert.DoesNotContain("<b>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<i>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<u>", page, StringComparison.Ordinal);
        Assert.Single(Regex.Matches(page, "</script>"));
    }

    [Fact]
    public void Render_OneTrace_TellsBusyAndWhyIdleOfEachLane()
    {
        string page = HtmlTimeline.Render("step", [], new NamedTrace("predicted", TraceGen.Of(["Compute", "H2D"], [])));

        Assert.Contains("<h2>predicted: 500 ms a step</h2>", page, StringComparison.Ordinal);
        Assert.Contains("""<tr><td>Compute</td><td>200</td><td>40.0</td><td>300</td><td class="why">H2D 200, other 100</td></tr>""", page, StringComparison.Ordinal);
        Assert.DoesNotContain("against", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Render_TwoTraces_ComparesThem()
    {
        StepTrace predicted = TraceGen.Of(["Compute"], []);

        string page = HtmlTimeline.Render("step", [], new NamedTrace("predicted", predicted), new NamedTrace("measured", predicted with { PeriodSeconds = 0.4 }));

        Assert.Contains("<h2>predicted against measured</h2>", page, StringComparison.Ordinal);
        Assert.Contains("<tr><td>step</td><td>500</td><td>400</td><td>+25.0</td></tr>", page, StringComparison.Ordinal);
        Assert.Contains("<tr><td>Compute, busy</td><td>200</td><td>200</td><td>0.0</td></tr>", page, StringComparison.Ordinal);
    }

    private static JsonElement DataOf(string page)
    {
        string line = page.Split('\n').Single(text => text.StartsWith("const traces = ", StringComparison.Ordinal));
        using JsonDocument document = JsonDocument.Parse(line["const traces = ".Length..^1]);
        return document.RootElement.Clone();
    }

    // What a browser would fetch: links, sources, style sheets and fonts, requests of scripts.
    [GeneratedRegex(@"\b(src|href|action|srcset)\s*=|url\(|@import|https?://|fetch\(|XMLHttpRequest|import\(|\bnew Worker", RegexOptions.IgnoreCase)]
    private static partial Regex Outside();
}
