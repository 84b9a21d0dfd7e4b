namespace Offload.Engine.Kernels;

/// <summary>Runs a kernel over blocks of rows on several threads. Blocks are of fixed size, so results do not depend on the number of threads.</summary>
internal static class RowBlocks
{
    /// <summary>Elements of a block: enough that handing it to a thread (some microseconds) does not show.</summary>
    private const int BlockElements = 1 << 15;

    /// <summary>Threads that kernels may use; for the process, as libtorch's own, and set with them.</summary>
    public static int NumThreads { get; set; } = Environment.ProcessorCount;

    /// <summary>Rows of a block for rows of a width.</summary>
    public static int BlockRows(long width) => (int)Math.Max(1, BlockElements / Math.Max(1, width));

    /// <summary>Calls <paramref name="body"/>(block, first row, end row) for every block, in any order.</summary>
    public static void Run(int numRows, int blockRows, Action<int, int, int> body)
    {
        int numBlocks = (numRows + blockRows - 1) / blockRows;
        if (numBlocks <= 1 || NumThreads == 1)
        {
            for (int block = 0; block < numBlocks; block++)
            {
                body(block, block * blockRows, Math.Min(numRows, (block + 1) * blockRows));
            }

            return;
        }

        var options = new ParallelOptions { MaxDegreeOfParallelism = NumThreads };
        Parallel.For(0, numBlocks, options, block => body(block, block * blockRows, Math.Min(numRows, (block + 1) * blockRows)));
    }
}
