namespace Offload.Engine.Parallelism;

/// <summary>Work on a range of elements, done block by block by <see cref="ParallelRanges"/>.</summary>
internal interface IRangeWork
{
    /// <summary>Does one block. Called from several threads at a time, with different blocks, in no fixed order.</summary>
    /// <param name="blockIndex">Number of the block; <paramref name="start"/> / block size.</param>
    /// <param name="start">First element.</param>
    /// <param name="count">Elements; less than the block size in the last block only.</param>
    void RunBlock(long blockIndex, long start, int count);
}
