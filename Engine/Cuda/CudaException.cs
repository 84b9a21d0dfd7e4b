using Offload.Profiles;

namespace Offload.Engine.Cuda;

/// <summary>The CUDA driver or one of CUDA's libraries is missing, lacks something or reports a failure. Exit code 1.</summary>
internal sealed class CudaException : OffloadException
{
    /// <param name="operation">What was tried: "copy memory".</param>
    /// <param name="result">What the driver returned: a CUresult.</param>
    public CudaException(string operation, int result)
        : this(operation, CudaDriver.Describe(result), HintOf(result)) => Result = result;

    /// <param name="operation">What was tried.</param>
    /// <param name="problem">What happened; one line.</param>
    /// <param name="hint">How to mend it, or null.</param>
    /// <param name="cause">The error underneath, if any.</param>
    public CudaException(string operation, string problem, string? hint, Exception? cause = null)
        : base($"CUDA: cannot {operation}: {problem}", hint, cause)
    {
    }

    /// <summary>What the driver returned; 0 if it is not the driver's error.</summary>
    public int Result { get; }

    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Failed;

    /// <summary>Numbers as cuda.h has them.</summary>
    private static string? HintOf(int result) => result switch
    {
        2 => "lower the GPU memory that this run may take, or end other programs on the GPU",
        100 or 101 => "'nvidia-smi' must list the GPU; CUDA_VISIBLE_DEVICES may hide it; in a container, start it with its GPUs (--gpus all); or use --device cpu",
        200 or 209 or 218 or 222 => "the driver is older than the CUDA of this libtorch: update the driver, or take a libtorch made for the driver's CUDA",
        802 or 803 or 999 => "the driver is not ready or its parts do not fit each other: look at 'nvidia-smi' and the kernel log, or restart the machine",
        214 or 220 or 221 or (>= 700 and <= 702) or (>= 714 and <= 720) =>
            "work that was issued before failed on the GPU, and this process cannot use it any more; with CUDA_LAUNCH_BLOCKING=1 the call that did it is named",
        _ => null,
    };
}
