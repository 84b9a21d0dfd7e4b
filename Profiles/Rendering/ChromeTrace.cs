using System.Text.Json;
using Offload.Profiles.Tracing;

namespace Offload.Profiles.Rendering;

/// <summary>
/// Writes traces in the Trace Event Format that Perfetto (ui.perfetto.dev) and chrome://tracing load: a process for each trace, a track for
/// each lane, a complete event for each operation. Stateless: any thread.
/// </summary>
public static class ChromeTrace
{
    private const int NanosecondsPerSecond = 1_000_000_000;

    // As the format has it, times are microseconds; three decimals keep nanoseconds.
    private const decimal NanosecondsPerMicrosecond = 1000m;

    /// <summary>Writes a trace file.</summary>
    /// <param name="output">Gets UTF-8 JSON; not closed.</param>
    /// <param name="traces">In the order of their processes.</param>
    /// <exception cref="ArgumentException">Two operations of a lane overlap, which no track can show.</exception>
    public static void Write(Stream output, params IReadOnlyList<NamedTrace> traces)
    {
        ArgumentNullException.ThrowIfNull(traces);
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteStartArray("traceEvents");
        for (int process = 0; process < traces.Count; process++)
        {
            // Process 0 is the system's idle task to Perfetto.
            Write(json, process + 1, traces[process]);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, int process, NamedTrace named)
    {
        WriteName(json, "process_name", process, thread: null, named.Name);
        StepTrace trace = named.Trace;
        for (int lane = 0; lane < trace.Lanes.Count; lane++)
        {
            WriteName(json, "thread_name", process, lane + 1, trace.Lanes[lane]);
            WriteSortIndex(json, process, lane + 1);
        }

        foreach (IGrouping<int, TraceOperation> lane in trace.Operations.GroupBy(operation => operation.Lane).OrderBy(lane => lane.Key))
        {
            long lastEnd = long.MinValue;
            foreach (TraceOperation operation in lane.OrderBy(operation => operation.StartSeconds).ThenBy(operation => operation.EndSeconds))
            {
                long start = ToNanoseconds(operation.StartSeconds);
                long end = ToNanoseconds(operation.EndSeconds);
                if (start < lastEnd || end < start)
                {
                    throw new ArgumentException(
                        $"trace '{named.Name}', lane {trace.Lanes[lane.Key]}: {operation.Kind} of '{operation.Unit}' starts at {start} ns and ends at {end} ns, the one before it ends at {lastEnd} ns",
                        nameof(named));
                }

                WriteEvent(json, process, trace, operation, start, end);
                lastEnd = end;
            }
        }
    }

    // Begin and end are rounded alike and the duration is what is between, so that neighbours stay neighbours.
    private static long ToNanoseconds(double seconds) => (long)Math.Round(seconds * NanosecondsPerSecond);

    private static void WriteEvent(Utf8JsonWriter json, int process, StepTrace trace, TraceOperation operation, long start, long end)
    {
        json.WriteStartObject();
        json.WriteString("name", operation.Unit.Length > 0 ? $"{operation.Kind} {operation.Unit}" : operation.Kind);
        json.WriteString("cat", operation.Kind);
        json.WriteString("ph", "X");
        json.WriteNumber("pid", process);
        json.WriteNumber("tid", operation.Lane + 1);
        json.WriteNumber("ts", start / NanosecondsPerMicrosecond);
        json.WriteNumber("dur", (end - start) / NanosecondsPerMicrosecond);
        json.WriteStartObject("args");
        json.WriteNumber("step", operation.Period);
        WriteIf(json, "unit", operation.Unit);
        WriteIf(json, "microBatch", operation.MicroBatch);
        WriteIf(json, "tile", operation.Tile);
        if (operation.Amount > 0)
        {
            bool isBytes = AmountUnit.IsBytes(operation.Kind);
            json.WriteNumber(isBytes ? "bytes" : "parameters", operation.Amount);
            WriteRate(json, isBytes ? "gBps" : "gParamsPerSecond", operation.Amount / 1e9, start, end);
        }

        if (operation.Flops > 0)
        {
            json.WriteNumber("flops", operation.Flops);
            WriteRate(json, "tflops", operation.Flops / 1e12, start, end);
        }

        if (operation.WaitedForLane >= 0)
        {
            json.WriteString("waitedFor", trace.Lanes[operation.WaitedForLane]);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteRate(Utf8JsonWriter json, string name, double amount, long start, long end)
    {
        if (end > start)
        {
            json.WriteNumber(name, Math.Round(amount / (end - start) * NanosecondsPerSecond, 3));
        }
    }

    private static void WriteIf(Utf8JsonWriter json, string name, string text)
    {
        if (text.Length > 0)
        {
            json.WriteString(name, text);
        }
    }

    private static void WriteIf(Utf8JsonWriter json, string name, int index)
    {
        if (index >= 0)
        {
            json.WriteNumber(name, index);
        }
    }

    private static void WriteName(Utf8JsonWriter json, string kind, int process, int? thread, string name)
    {
        WriteMetadataStart(json, kind, process, thread);
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSortIndex(Utf8JsonWriter json, int process, int thread)
    {
        WriteMetadataStart(json, "thread_sort_index", process, thread);
        json.WriteNumber("sort_index", thread);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteMetadataStart(Utf8JsonWriter json, string kind, int process, int? thread)
    {
        json.WriteStartObject();
        json.WriteString("name", kind);
        json.WriteString("ph", "M");
        json.WriteNumber("pid", process);
        if (thread is int index)
        {
            json.WriteNumber("tid", index);
        }

        json.WriteStartObject("args");
    }
}
