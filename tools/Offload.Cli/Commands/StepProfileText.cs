using System.Globalization;
using Offload.Engine.Profiling;

namespace Offload.Cli.Commands;

/// <summary>A measured step for people.</summary>
internal static class StepProfileText
{
    // Idle time below this part of a step explains nothing.
    private const double LeastIdle = 0.005;

    /// <summary>The lines below a picture's heading.</summary>
    public static string[] Notes(StepProfile profile) => [Step(profile), Prediction(profile)];

    /// <summary>Writes it.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="profile">What was measured.</param>
    public static void Write(TextWriter text, StepProfile profile)
    {
        Line(text, $"{profile.Model}: {profile.NumParameters:N0} parameters, {profile.Order}, {profile.Update} updates, {profile.NumMicroBatches} micro-batch{(profile.NumMicroBatches == 1 ? "" : "es")} of {profile.MicroBatchSequences}");
        text.WriteLine();
        text.WriteLine(Step(profile));
        text.WriteLine(Prediction(profile));
        text.WriteLine();
        Line(text, $"  {"lane",-10} {"operations",10} {"busy, s",9} {"predicted",9} {"idle, s",9}  {"a step moves",16}  rate (profile's)");
        foreach (LaneProfile lane in profile.Lanes)
        {
            Line(
                text, $"  {lane.Name,-10} {lane.Operations,10} {lane.BusySeconds,9:F3} {lane.PredictedBusySeconds,9:F3} {lane.IdleSeconds,9:F3}  {Amount(lane),16}  {Rate(lane)}{(lane.Name == profile.Bottleneck ? "  the bottleneck" : "")}");
            string why = string.Join(", ", lane.WaitedForSeconds.Where(cause => cause.Value >= LeastIdle * profile.StepSeconds).OrderByDescending(cause => cause.Value)
                .Select(cause => string.Create(CultureInfo.InvariantCulture, $"{cause.Key} {cause.Value:F3} s")));
            if (why.Length > 0)
            {
                text.WriteLine($"  {"",-10} waits for {why}");
            }
        }

        text.WriteLine();
        Memory(text, profile);
    }

    private static string Step(StepProfile profile) => string.Create(
        CultureInfo.InvariantCulture,
        $"step {profile.StepSeconds:F3} s (median of {profile.Steps}, {profile.StepSecondsEach.Min():F3} to {profile.StepSecondsEach.Max():F3}), {profile.TokensPerSecond:N0} tokens/s, {profile.ModelTflops:G3} model TFLOP/s");

    private static string Prediction(StepProfile profile)
    {
        LaneProfile lane = profile.Lanes.First(lane => lane.Name == profile.MostDifferentLane);
        string guess = profile.IsPredictionGuessed ? "; a guess: measure this machine with 'offload profile hardware' and give --hardware" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"predicted {profile.PredictedStepSeconds:F3} s ({(profile.PredictedStepSeconds / profile.StepSeconds) - 1:+0%;-0%;0%}) on '{profile.Hardware}'; most of the difference in {lane.Name}: {lane.PredictedBusySeconds:F3} s predicted, {lane.BusySeconds:F3} s measured{guess}");
    }

    private static string Amount(LaneProfile lane) => lane.AmountUnit switch
    {
        _ when lane.Amount == 0 => "",
        "bytes" => Sizes.Format((long)lane.Amount),
        "FLOP" => string.Create(CultureInfo.InvariantCulture, $"{lane.Amount / 1e12:G3} TFLOP"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{lane.Amount / 1e6:G4} M param."),
    };

    private static string Rate(LaneProfile lane)
    {
        if (lane.AchievedRate is not double rate)
        {
            return "";
        }

        string unit = lane.AmountUnit switch { "bytes" => "GB/s", "FLOP" => "TFLOP/s", _ => "G param./s" };
        string of = lane.ProfileRate is double known ? string.Create(CultureInfo.InvariantCulture, $", {rate / known:P0} of {known:G3}") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{rate:G3} {unit}{of}");
    }

    private static void Memory(TextWriter text, StepProfile profile)
    {
        StepProfileMemory memory = profile.Memory;
        text.WriteLine($"  GPU memory    {Sizes.Format(memory.GpuBytes),12} of {(memory.GpuBudgetBytes is long budget ? Sizes.Format(budget) : "what there is")}");
        text.WriteLine($"  CPU memory    {Sizes.Format(memory.CpuBytes),12} of {Sizes.Format(memory.CpuBudgetBytes)}");
        text.WriteLine($"  process       {Sizes.Format(memory.ProcessBytes),12} resident, both of them and the program included");
        if (memory.DriveBytes > 0)
        {
            text.WriteLine($"  drives        {Sizes.Format(memory.DriveBytes),12}");
            text.WriteLine($"  SSD a step    {Sizes.Format((long)profile.SsdBytesReadPerStep)} read, {Sizes.Format((long)profile.SsdBytesWrittenPerStep)} written");
        }
    }

    private static void Line(TextWriter text, FormattableString line) => text.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
