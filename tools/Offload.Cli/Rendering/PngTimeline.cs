using Offload.Profiles.Rendering;
using Offload.Profiles.Tracing;
using ScottPlot;

namespace Offload.Cli.Rendering;

/// <summary>Draws a trace as a picture: a row a lane, a box an operation, a colour a kind. Stateless: any thread.</summary>
internal static class PngTimeline
{
    private const int WidthPixels = 1600;
    private const int RowPixels = 46;
    private const double BoxHeight = 0.76;

    private const double LeastOpacity = 0.12;

    // Steps shown: one whole one and what of its neighbours it overlaps with.
    private const int NumPeriodsShown = 2;

    /// <summary>The file's bytes: some steady steps of each trace, one picture below the other.</summary>
    /// <param name="title">Heading.</param>
    /// <param name="traces">At least one.</param>
    public static byte[] Render(string title, params IReadOnlyList<NamedTrace> traces)
    {
        var pictures = new Multiplot();
        pictures.RemovePlot(pictures.GetPlot(0));
        int height = 0;
        foreach (NamedTrace named in traces)
        {
            pictures.AddPlot(Draw($"{title}: {named.Name}, {Duration(named.Trace.PeriodSeconds)} a step", named.Trace));
            height += (LanesWithWork(named.Trace).Length * RowPixels) + 150;
        }

        return pictures.Render(WidthPixels, height).GetImageBytes(ImageFormat.Png);
    }

    private static string Duration(double seconds) => seconds < 1 ? FormattableString.Invariant($"{seconds * 1000:G4} ms") : FormattableString.Invariant($"{seconds:0.###} s");

    private static int[] LanesWithWork(StepTrace trace) => [.. trace.Operations.Select(operation => operation.Lane).Distinct().Order()];

    private static Plot Draw(string title, StepTrace trace)
    {
        var plot = new Plot();
        plot.Title(title);
        int[] lanes = LanesWithWork(trace);
        TraceOperation[] shown = Shown(trace);
        double from = shown.Length > 0 ? shown.Min(operation => operation.StartSeconds) : 0;
        double to = shown.Length > 0 ? shown.Max(operation => operation.EndSeconds) : 1;
        (double unitSeconds, string unitName) = to - from < 2 ? (1e-3, "ms") : (1.0, "s");
        double pixelSeconds = Math.Max(to - from, 1e-12) / WidthPixels;
        var kinds = new SortedSet<string>(StringComparer.Ordinal);
        foreach (IGrouping<int, TraceOperation> lane in shown.GroupBy(operation => operation.Lane))
        {
            int row = lanes.Length - 1 - Array.IndexOf(lanes, lane.Key);
            foreach ((string kind, double start, double end, double busySeconds) in Boxes(lane, pixelSeconds))
            {
                kinds.Add(kind);
                var box = plot.Add.Rectangle((start - from) / unitSeconds, (end - from) / unitSeconds, row - (BoxHeight / 2), row + (BoxHeight / 2));

                // Many short operations with gaps between them are as pale as the lane is idle.
                box.FillColor = Color.FromHex(KindColors.Of(kind)).WithOpacity(end > start ? Math.Clamp(busySeconds / (end - start), LeastOpacity, 1) : 1);
                box.LineColor = Colors.White;
                box.LineWidth = end - start > 4 * pixelSeconds ? 0.5f : 0;
            }
        }

        foreach (string kind in kinds)
        {
            plot.Legend.ManualItems.Add(new LegendItem { LabelText = kind, FillColor = Color.FromHex(KindColors.Of(kind)), LineWidth = 0 });
        }

        plot.ShowLegend(Edge.Right);
        plot.Axes.Left.SetTicks([.. lanes.Select((_, index) => (double)(lanes.Length - 1 - index))], [.. lanes.Select(lane => $"{trace.Lanes[lane]}  {Busy(trace, lane)}")]);
        plot.Axes.SetLimits(0, (to - from) / unitSeconds, -0.6, lanes.Length - 0.4);
        plot.XLabel(unitName);
        plot.HideGrid();
        return plot;
    }

    private static string Busy(StepTrace trace, int lane) => trace.PeriodSeconds > 0 && lane < trace.Summaries.Count
        ? FormattableString.Invariant($"{100 * trace.Summaries[lane].BusySeconds / trace.PeriodSeconds:0} %")
        : "";

    // From the middle on a trace is steady.
    private static TraceOperation[] Shown(StepTrace trace)
    {
        if (trace.Operations.Count == 0)
        {
            return [];
        }

        long first = trace.Operations.Min(operation => operation.Period) + Math.Max(0, Math.Min(trace.NumPeriods / 2, trace.NumPeriods - NumPeriodsShown));
        return [.. trace.Operations.Where(operation => operation.Period >= first && operation.Period < first + NumPeriodsShown)];
    }

    // What is narrower than a pixel is drawn with its neighbours of the same kind: a step may have a hundred thousand operations.
    private static IEnumerable<(string Kind, double Start, double End, double BusySeconds)> Boxes(IEnumerable<TraceOperation> lane, double pixelSeconds)
    {
        (string Kind, double Start, double End, double BusySeconds)? open = null;
        foreach (TraceOperation operation in lane.OrderBy(operation => operation.StartSeconds))
        {
            double seconds = operation.EndSeconds - operation.StartSeconds;
            if (open is { } box && box.Kind == operation.Kind && seconds < pixelSeconds && operation.StartSeconds - box.End < pixelSeconds)
            {
                open = box with { End = operation.EndSeconds, BusySeconds = box.BusySeconds + seconds };
                continue;
            }

            if (open is { } done)
            {
                yield return done;
            }

            open = (operation.Kind, operation.StartSeconds, operation.EndSeconds, seconds);
        }

        if (open is { } last)
        {
            yield return last;
        }
    }
}
