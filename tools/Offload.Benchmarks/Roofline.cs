using System.Diagnostics;
using Offload.Engine.Parallelism;

namespace Offload.Benchmarks;

/// <summary>
/// AdamW against the machine's streaming rate, on a machine that other processes use too. The kernels take turns on short windows of
/// arrays far beyond the caches, so that a disturbance meets them alike and many samples have none: medians and ninth deciles are compared.
/// </summary>
internal static class Roofline
{
    /// <summary>Elements of one sample a thread: about 1 ms, less than a scheduler's time slice.</summary>
    private const long WindowElements = 1 << 20;

    public static int Run(ReadOnlySpan<string> options)
    {
        long numMebi = 64;
        int numRounds = 15;
        bool hugePages = true;
        foreach (string option in options)
        {
            if (option == "--small-pages")
            {
                hugePages = false;
            }
            else if (option.StartsWith("--mebi=", StringComparison.Ordinal) && long.TryParse(option.AsSpan(7), out long mebi) && mebi is >= 16 and <= 1024)
            {
                numMebi = mebi;
            }
            else if (option.StartsWith("--rounds=", StringComparison.Ordinal) && int.TryParse(option.AsSpan(9), out int rounds) && rounds > 0)
            {
                numRounds = rounds;
            }
            else
            {
                Console.Error.WriteLine($"roofline: '{option}' is not one of --mebi=PARAMETERS (16 to 1024), --rounds=N, --small-pages");
                return 2;
            }
        }

        using var work = new StreamWork(numMebi << 20, hugePages);
        Console.WriteLine($"{numMebi} Mi parameters, {(hugePages ? "huge" : "small")} pages, {numRounds} rounds, {Environment.ProcessorCount} cores");
        Console.WriteLine($"{"threads",7} {"gradient",9} {"kernel",12} {"median GB/s",12} {"9th decile GB/s",16} {"median / mix",13} {"9th / mix",11}");
        foreach (int numThreads in Environment.ProcessorCount == 1 ? [1] : (int[])[1, Environment.ProcessorCount])
        {
            if (work.Count < numThreads * WindowElements * 4)
            {
                Console.Error.WriteLine($"roofline: {numThreads} threads need --mebi={numThreads * 4} or more");
                return 2;
            }

            using var threads = new ParallelRanges(numThreads);
            foreach (bool bfloat16 in (bool[])[true, false])
            {
                Measure(work, threads, bfloat16, numRounds);
            }
        }

        return 0;
    }

    private static void Measure(StreamWork work, ParallelRanges threads, bool bfloat16, int numRounds)
    {
        TrafficKernel[] kernels = Enum.GetValues<TrafficKernel>();
        var rates = kernels.ToDictionary(kernel => kernel, _ => new List<double>());
        work.FillGradients(bfloat16);
        long windowElements = WindowElements * threads.NumThreads;
        long numWindows = work.Count / windowElements;
        long window = 0;
        var random = new Random(1); // in a fixed order a scheduler's habits favour one kernel
        for (long sample = -2 * numWindows; sample < numRounds * numWindows; sample++)
        {
            random.Shuffle(kernels);
            foreach (TrafficKernel kernel in kernels)
            {
                long start = Stopwatch.GetTimestamp();
                work.Run(threads, kernel, bfloat16, window * windowElements, windowElements);
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                if (sample >= 0)
                {
                    rates[kernel].Add(windowElements * StreamWork.BytesPerElement(kernel, bfloat16) / seconds / 1e9);
                }

                window = (window + 1) % numWindows;
            }
        }

        double mixMedian = Quantile(rates[TrafficKernel.SameMix], 0.5);
        double mixFast = Quantile(rates[TrafficKernel.SameMix], 0.9);
        foreach (TrafficKernel kernel in kernels.Order())
        {
            double median = Quantile(rates[kernel], 0.5);
            double fast = Quantile(rates[kernel], 0.9);
            Console.WriteLine(
                $"{threads.NumThreads,7} {(bfloat16 ? "bfloat16" : "float32"),9} {kernel,12} {median,12:F2} {fast,16:F2} {median / mixMedian,13:P1} {fast / mixFast,11:P1}");
        }
    }

    private static double Quantile(List<double> values, double fraction) => values.Order().ElementAt((int)(fraction * (values.Count - 1)));
}
