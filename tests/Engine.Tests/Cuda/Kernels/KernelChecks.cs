namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>Every kernel on random shapes: each way through it, aligned or not, even and odd sizes.</summary>
internal static class KernelChecks
{
    /// <summary>Widths around the limits between a kernel's forms, for either element type.</summary>
    private static readonly int[] Widths = [1, 3, 8, 16, 24, 64, 100, 255, 512, 768, 1000, 1024, 1032, 2048, 2056, 3072, 4096, 5632, 7168, 8192, 8200, 16384, 16392, 33000];

    private static readonly int[] HeadSizes = [2, 6, 16, 32, 48, 64, 80, 96, 128, 256, 320];

    private static readonly int[] Counts = [1, 7, 8, 31, 1000, 4096, 16383, 16385, 50001];

    /// <summary>One of each group.</summary>
    /// <param name="lab">Kernels; gathers what was found.</param>
    /// <param name="seed">Of shapes and values.</param>
    /// <param name="maxElements">About the most elements of a matrix.</param>
    public static void Run(KernelLab lab, int seed, int maxElements)
    {
        var random = new Random(seed);
        int width = Pick(random, Widths);
        int rows = Rows(random, width, maxElements);
        NormChecks.Run(lab, random, rows, width, Offset(random));
        width = Pick(random, Widths);
        ActivationChecks.Run(lab, random, Rows(random, width, maxElements), width, Offset(random));
        int vocabulary = Math.Max(2, random.Next(1, 3) * Pick(random, Widths));
        LossChecks.Run(lab, random, Rows(random, vocabulary, maxElements), vocabulary, Offset(random));
        int headSize = Pick(random, HeadSizes);
        int numHeads = random.Next(1, 10);
        int numKvHeads = random.Next(1, 5);
        rows = Rows(random, (numHeads + (2 * numKvHeads)) * headSize, maxElements);
        int sequences = random.Next(1, 4);
        HeadChecks.Run(lab, random, sequences, Math.Max(1, rows / sequences), numHeads, numKvHeads, headSize, Offset(random));
        width = Math.Min(Pick(random, Widths), 4096);
        LossChecks.RunEmbeddings(lab, random, sequences, Math.Max(1, Rows(random, width, maxElements) / sequences), random.Next(1, 60), width, Offset(random));
        UpdateChecks.Run(lab, random, Math.Min(Pick(random, Counts), maxElements), Offset(random));
    }

    /// <summary>Every form of the norms, by width.</summary>
    public static void RunNorms(KernelLab lab, int seed)
    {
        var random = new Random(seed);
        foreach (int width in Widths)
        {
            NormChecks.Run(lab, random, random.Next(1, 12), width, offset: 0);
        }
    }

    private static int Pick(Random random, int[] values) => values[random.Next(values.Length)];

    private static int Rows(Random random, int width, int maxElements) => random.Next(1, Math.Max(2, Math.Min(1500, maxElements / width)));

    private static int Offset(Random random) => random.Next(3) == 0 ? random.Next(1, 9) : 0;
}
