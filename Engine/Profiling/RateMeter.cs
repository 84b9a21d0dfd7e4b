using System.Diagnostics;

namespace Offload.Engine.Profiling;

/// <summary>Times a piece of work over and over. One thread at a time.</summary>
/// <param name="secondsEach">Time for the samples of one rate.</param>
/// <param name="cancellation">Checked between samples.</param>
/// <param name="warmUpFraction">Part of that time that goes before the samples: pages are touched, clocks rise, code is compiled.</param>
internal sealed class RateMeter(double secondsEach, CancellationToken cancellation, double warmUpFraction = RateMeter.DefaultWarmUpFraction)
{
    /// <summary>A median needs three, whatever the time says.</summary>
    private const int MinSamples = 3;

    private const double DefaultWarmUpFraction = 0.2;

    /// <summary>Measures a rate.</summary>
    /// <param name="name">Of the profile's number.</param>
    /// <param name="unit">Of the rate.</param>
    /// <param name="amount">What one call of <paramref name="work"/> does, in 10^9 or 10^12 of the unit.</param>
    /// <param name="what">For reports.</param>
    /// <param name="work">One sample.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public MeasuredRate Measure(string name, string unit, double amount, string what, Action work) => MeasureSeconds(name, unit, amount, what, () =>
    {
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    });

    /// <summary>The same of work that takes its own time.</summary>
    /// <param name="name">Of the profile's number.</param>
    /// <param name="unit">Of the rate.</param>
    /// <param name="amount">What one call of <paramref name="work"/> does, in 10^9 or 10^12 of the unit.</param>
    /// <param name="what">For reports.</param>
    /// <param name="work">One sample; returns what it took, in seconds.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public MeasuredRate MeasureSeconds(string name, string unit, double amount, string what, Func<double> work)
    {
        long begin = Stopwatch.GetTimestamp();
        do
        {
            cancellation.ThrowIfCancellationRequested();
            _ = work();
        }
        while (Stopwatch.GetElapsedTime(begin).TotalSeconds < warmUpFraction * secondsEach);

        var rates = new List<double>();
        begin = Stopwatch.GetTimestamp();
        double elapsed;
        do
        {
            cancellation.ThrowIfCancellationRequested();
            rates.Add(amount / Math.Max(work(), 1e-9));
            elapsed = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        }
        while (elapsed < secondsEach || rates.Count < MinSamples);

        rates.Sort();
        return new MeasuredRate(name, unit, Median(rates), rates[rates.Count / 10], rates[rates.Count - 1 - (rates.Count / 10)], rates.Count, elapsed, what);
    }

    private static double Median(List<double> sorted) => sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
}
