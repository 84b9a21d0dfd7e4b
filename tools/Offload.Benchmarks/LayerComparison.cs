using System.Diagnostics;
using Offload.Engine.Kernels;
using TorchSharp;

namespace Offload.Benchmarks;

/// <summary>
/// The explicit layer against autograd's on a machine that others use too: the two take turns, and medians are compared. Memory is
/// what a layer adds to a stack run forward, and the peak of one forward and backward, both as resident memory of the process.
/// </summary>
internal static class LayerComparison
{
    private const int NumWarmups = 15;
    private const int NumStackLayers = 9;

    /// <summary>Arguments: threads (all), rounds (40).</summary>
    public static int Run(ReadOnlySpan<string> args)
    {
        int numThreads = args.Length > 0 ? int.Parse(args[0], null) : Environment.ProcessorCount;
        int numRounds = args.Length > 1 ? int.Parse(args[1], null) : 40;
        torch.set_num_threads(numThreads);
        RowBlocks.NumThreads = numThreads;
        Console.WriteLine($"hidden 512, MLP 1408, 8 heads, 4 key/value heads, 4 sequences of 256 tokens, {numThreads} threads, medians of {numRounds} rounds");
        Console.WriteLine("type       what       median ms   quartiles ms      saved MiB/layer   peak MiB");
        foreach (torch.ScalarType type in (torch.ScalarType[])[torch.ScalarType.Float32, torch.ScalarType.BFloat16])
        {
            using var work = new LayerWork(type);
            double difference = work.Difference();
            for (int i = 0; i < NumWarmups; i++)
            {
                work.Explicit();
                work.Autograd();
            }

            // The runtime compiles hot methods anew in the background, a tenth of a second after they have proved hot.
            Thread.Sleep(500);
            work.Explicit();

            var explicitTimes = new double[numRounds];
            var autogradTimes = new double[numRounds];
            for (int i = 0; i < numRounds; i++)
            {
                explicitTimes[i] = Milliseconds(work.Explicit);
                autogradTimes[i] = Milliseconds(work.Autograd);
            }

            double explicitMedian = Print(type, "explicit", explicitTimes, work.ExplicitStackBytes(NumStackLayers), ProcessMemory.Peak(work.Explicit));
            double autogradMedian = Print(type, "autograd", autogradTimes, work.AutogradStackBytes(NumStackLayers), ProcessMemory.Peak(work.Autograd));
            Console.WriteLine(
                $"{type,-10} time ratio {explicitMedian / autogradMedian:F2}, saved tensors by their sizes {Mebibytes(work.ExplicitSavedBytes())} MiB, results differ by {difference:E1}");
        }

        return 0;
    }

    private static double Milliseconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double Print(torch.ScalarType type, string what, double[] times, long stackBytes, long peakBytes)
    {
        Array.Sort(times);
        double median = times[times.Length / 2];
        string quartiles = $"{times[times.Length / 4]:F1} to {times[times.Length * 3 / 4]:F1}";
        Console.WriteLine($"{type,-10} {what,-10} {median,9:F1}   {quartiles,-16}  {Mebibytes(stackBytes),15}   {Mebibytes(peakBytes),8}");
        return median;
    }

    private static string Mebibytes(long bytes) => $"{bytes / (double)(1 << 20):F1}";
}
