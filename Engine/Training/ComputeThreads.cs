using Offload.Engine.Kernels;
using static TorchSharp.torch;

namespace Offload.Engine.Training;

/// <summary>Threads of libtorch's kernels and of ours, for the process.</summary>
internal static class ComputeThreads
{
    /// <summary>Sets both.</summary>
    public static void Set(int numThreads)
    {
        set_num_threads(numThreads);
        RowBlocks.NumThreads = numThreads;
    }
}
