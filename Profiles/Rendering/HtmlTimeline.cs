using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Offload.Profiles.Tracing;

namespace Offload.Profiles.Rendering;

/// <summary>
/// Draws traces as one HTML file that needs nothing else: lanes over time to zoom and point at, and what each lane did and waited for.
/// Stateless: any thread.
/// </summary>
public static class HtmlTimeline
{
    private const string TemplateName = "Rendering/timeline.html";

    /// <summary>The file's text.</summary>
    /// <param name="title">Heading.</param>
    /// <param name="notes">Lines below it; may be empty.</param>
    /// <param name="traces">Drawn one below the other; with two, the first is compared with the second.</param>
    public static string Render(string title, IEnumerable<string> notes, params IReadOnlyList<NamedTrace> traces)
    {
        ArgumentNullException.ThrowIfNull(notes);
        ArgumentNullException.ThrowIfNull(traces);
        using Stream resource = typeof(HtmlTimeline).Assembly.GetManifestResourceStream(TemplateName)!;
        using var reader = new StreamReader(resource);
        var page = new StringBuilder();

        // The template's lines are looked at one by one, so that nothing in a title can pass for a mark of it.
        while (reader.ReadLine() is { } line)
        {
            page.Append(line switch
            {
                "<!--TITLE-->" => $"<title>{Encode(title)}</title>",
                "<!--HEADING-->" => $"<h1>{Encode(title)}</h1>" + string.Concat(notes.Select(note => $"<p>{Encode(note)}</p>")),
                "<!--TABLES-->" => (traces.Count == 2 ? Comparison(traces[0], traces[1]) : "") + string.Concat(traces.Select(Table)),
                "/*DATA*/" => $"const traces = {Data(traces)};",
                _ => line,
            }).Append('\n');
        }

        return page.ToString();
    }

    private static string Encode(string text) => WebUtility.HtmlEncode(text);

    private static string Table(NamedTrace named)
    {
        StepTrace trace = named.Trace;
        var html = new StringBuilder($"<h2>{Encode(named.Name)}: {Milliseconds(trace.PeriodSeconds)} ms a step</h2><table><tr><th>lane</th><th>busy, ms</th><th>busy, %</th><th>idle, ms</th><th>why idle, ms</th></tr>");
        foreach (LaneSummary lane in trace.Summaries)
        {
            IEnumerable<string> why = lane.IdleSeconds.Where(cause => cause.Value > 0).OrderByDescending(cause => cause.Value).Select(cause => $"{cause.Key} {Milliseconds(cause.Value)}");
            html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Encode(lane.Name)}</td><td>{Milliseconds(lane.BusySeconds)}</td><td>{Percent(lane.BusySeconds, trace.PeriodSeconds)}</td>")
                .Append(CultureInfo.InvariantCulture, $"<td>{Milliseconds(Math.Max(0, trace.PeriodSeconds - lane.BusySeconds))}</td><td class=\"why\">{Encode(string.Join(", ", why))}</td></tr>");
        }

        return html.Append("</table>").ToString();
    }

    private static string Comparison(NamedTrace first, NamedTrace second)
    {
        var html = new StringBuilder(
            $"<h2>{Encode(first.Name)} against {Encode(second.Name)}</h2><table><tr><th>ms a step</th><th>{Encode(first.Name)}</th><th>{Encode(second.Name)}</th><th>difference, %</th></tr>");
        Row("step", first.Trace.PeriodSeconds, second.Trace.PeriodSeconds);
        foreach (LaneSummary lane in first.Trace.Summaries)
        {
            if (second.Trace.Summaries.FirstOrDefault(other => other.Name == lane.Name) is { } other)
            {
                Row(lane.Name + ", busy", lane.BusySeconds, other.BusySeconds);
            }
        }

        return html.Append("</table>").ToString();

        void Row(string name, double one, double two) => html.Append(
            CultureInfo.InvariantCulture,
            $"<tr><td>{Encode(name)}</td><td>{Milliseconds(one)}</td><td>{Milliseconds(two)}</td><td>{(two > 0 ? ((one / two) - 1).ToString("+0.0%;-0.0%;0.0%", CultureInfo.InvariantCulture).TrimEnd('%') : "")}</td></tr>");
    }

    private static string Milliseconds(double seconds) => (seconds * 1000).ToString("0.###", CultureInfo.InvariantCulture);

    private static string Percent(double part, double whole) => whole > 0 ? (100 * part / whole).ToString("0.0", CultureInfo.InvariantCulture) : "";

    // JSON's default escapes of <, > and & keep it inside its script.
    private static string Data(IReadOnlyList<NamedTrace> traces)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (NamedTrace named in traces)
            {
                WriteTrace(json, named);
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static void WriteTrace(Utf8JsonWriter json, NamedTrace named)
    {
        StepTrace trace = named.Trace;
        string[] kinds = [.. trace.Operations.Select(operation => operation.Kind).Distinct(StringComparer.Ordinal)];
        string[] units = [.. trace.Operations.Select(operation => operation.Unit).Distinct(StringComparer.Ordinal)];
        Dictionary<string, int> kindIndex = kinds.Index().ToDictionary(pair => pair.Item, pair => pair.Index, StringComparer.Ordinal);
        Dictionary<string, int> unitIndex = units.Index().ToDictionary(pair => pair.Item, pair => pair.Index, StringComparer.Ordinal);
        json.WriteStartObject();
        json.WriteString("name", named.Name);
        WriteTexts(json, "lanes", trace.Lanes);
        WriteTexts(json, "kinds", kinds);
        WriteTexts(json, "colors", kinds.Select(KindColors.Of));
        json.WriteStartArray("isBytes");
        foreach (string kind in kinds)
        {
            json.WriteBooleanValue(AmountUnit.IsBytes(kind));
        }

        json.WriteEndArray();
        WriteTexts(json, "units", units);
        json.WriteStartArray("operations");

        // As arrays, in the order in which the page reads them: a step has thousands.
        foreach (TraceOperation operation in trace.Operations.OrderBy(operation => operation.Lane).ThenBy(operation => operation.StartSeconds))
        {
            json.WriteStartArray();
            json.WriteNumberValue(operation.Lane);
            json.WriteNumberValue(kindIndex[operation.Kind]);
            json.WriteNumberValue(unitIndex[operation.Unit]);
            json.WriteNumberValue(operation.MicroBatch);
            json.WriteNumberValue(operation.Tile);
            json.WriteNumberValue(operation.Period);
            json.WriteNumberValue(Math.Round(operation.StartSeconds * 1e6, 3));
            json.WriteNumberValue(Math.Round(operation.EndSeconds * 1e6, 3));
            json.WriteNumberValue(operation.WaitedForLane);
            json.WriteNumberValue(operation.Amount);
            json.WriteNumberValue(operation.Flops);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }
}
