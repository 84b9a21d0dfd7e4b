using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Acceptance.Swap;

/// <summary>Simulated and measured lanes side by side.</summary>
internal static class LaneTable
{
    public static void Write(TextWriter output, SimulationResult predicted, ThrottledResult measured)
    {
        output.WriteLine("  | lane | simulated busy, s | measured busy, s | |");
        output.WriteLine("  |---|---|---|---|");
        foreach (Lane lane in Enum.GetValues<Lane>())
        {
            Row(output, lane.ToString(), predicted.BusySeconds(lane), measured.BusySeconds(lane));
        }

        Row(output, "step", predicted.PeriodSeconds, measured.StepSeconds);
    }

    private static void Row(TextWriter output, string name, double predicted, double measured)
    {
        string difference = predicted > 0 ? FormattableString.Invariant($"{(measured / predicted) - 1:+0.0 %;-0.0 %}") : "";
        output.WriteLine(FormattableString.Invariant($"  | {name} | {predicted:F4} | {measured:F4} | {difference} |"));
    }
}
