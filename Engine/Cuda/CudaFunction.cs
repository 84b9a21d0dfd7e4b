namespace Offload.Engine.Cuda;

/// <summary>A kernel of a <see cref="CudaModule"/>.</summary>
/// <param name="handle">The driver's CUfunction.</param>
internal readonly unsafe struct CudaFunction(nint handle)
{
    /// <summary>
    /// Issues the kernel; allocates nothing. The driver copies the arguments, so they may be the caller's local variables:
    /// <c>function.Launch(stream, blocks, 1, 1, 256, 0, [(nint)(&amp;x), (nint)(&amp;count)])</c>.
    /// </summary>
    /// <param name="stream">Its device must be current on this thread.</param>
    /// <param name="gridX">Number of blocks.</param>
    /// <param name="gridY">Number of blocks in the second direction; at most 65535.</param>
    /// <param name="gridZ">Number of blocks in the third direction; at most 65535.</param>
    /// <param name="blockX">Number of threads of a block.</param>
    /// <param name="sharedBytes">Dynamic shared memory of a block; at most 48 KiB.</param>
    /// <param name="argumentPointers">Address of each argument in turn, with exactly the type that the kernel declares.</param>
    /// <exception cref="CudaException">The launch is refused, or work issued before failed.</exception>
    public void Launch(CudaStream stream, long gridX, long gridY, long gridZ, int blockX, int sharedBytes, ReadOnlySpan<nint> argumentPointers)
    {
        fixed (nint* arguments = argumentPointers)
        {
            CudaDriver.Check(
                CudaDriver.cuLaunchKernel(
                    handle, checked((uint)gridX), checked((uint)gridY), checked((uint)gridZ), (uint)blockX, 1, 1, (uint)sharedBytes, stream.Handle, (void**)arguments, null),
                "launch a kernel");
        }
    }
}
