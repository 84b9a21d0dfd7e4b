namespace Offload.Engine.Cuda.Kernels;

/// <content>Token and position embeddings.</content>
internal sealed unsafe partial class CudaKernels
{
    /// <summary>Distinct ids of a block of the backward: one for each warp.</summary>
    private const int IdsPerBlock = BlockThreads / WarpThreads;

    private readonly EmbeddingKernels _embeddings;

    /// <summary>Rows of the table, with those of the positions added.</summary>
    /// <param name="ids">[sequences * tokens], on the GPU or pinned; rows of the table.</param>
    /// <param name="table">[vocabulary, width].</param>
    /// <param name="positions">Row of position 0: [tokens, width]; or null.</param>
    /// <param name="output">[sequences * tokens, width].</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="tokens">Tokens of each.</param>
    /// <param name="width">Columns.</param>
    public void EmbeddingForward(int* ids, void* table, void* positions, void* output, int sequences, int tokens, int width)
    {
        bool isAligned = IsWhole(width) && IsAligned(table) && IsAligned(positions) && IsAligned(output);
        LaunchRows(
            _embeddings.Forward, isAligned, (long)sequences * tokens, width,
            [(nint)(&ids), (nint)(&table), (nint)(&positions), (nint)(&output), (nint)(&tokens), (nint)(&width)]);
    }

    /// <summary>Adds the gradients of each distinct id's rows, in the order given, into the table's sum. Up to 32 rows one after the other; more in a fixed order of their own.</summary>
    /// <param name="distinctIds">[distinct], each once; on the GPU or pinned, as are the two others.</param>
    /// <param name="starts">[distinct + 1]: where the rows of each begin in order.</param>
    /// <param name="order">Rows of the gradient, by id.</param>
    /// <param name="numDistinct">Distinct ids.</param>
    /// <param name="gradient">[rows, width].</param>
    /// <param name="tableSum">fp32 [vocabulary, width].</param>
    /// <param name="width">Columns.</param>
    /// <param name="paddingId">Id that gets no gradient; -1: none.</param>
    public void EmbeddingBackward(
        int* distinctIds, int* starts, int* order, int numDistinct, void* gradient, float* tableSum, int width, int paddingId)
    {
        if (numDistinct == 0)
        {
            return;
        }

        bool isAligned = IsWhole(width) && IsAligned(gradient) && IsAligned(tableSum);
        _embeddings.Backward.For(isAligned).Launch(
            _stream, CeilingOf(numDistinct, IdsPerBlock), CeilingOf(width, WarpThreads * (isAligned ? _lanes : 1)), 1, BlockThreads, 0,
            [
                (nint)(&distinctIds), (nint)(&starts), (nint)(&order), (nint)(&numDistinct), (nint)(&gradient), (nint)(&tableSum), (nint)(&width),
                (nint)(&paddingId),
            ]);
    }

    /// <summary>Adds the sum over the sequences into the positions' sum.</summary>
    /// <param name="gradient">[sequences, tokens, width].</param>
    /// <param name="positionSum">fp32, row of position 0: [tokens, width].</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="tokens">Tokens of each.</param>
    /// <param name="width">Columns.</param>
    public void PositionBackward(void* gradient, float* positionSum, int sequences, int tokens, int width)
    {
        long count = (long)tokens * width;
        bool isAligned = IsWhole(count) && IsAligned(gradient) && IsAligned(positionSum);
        LaunchFlat(
            _embeddings.PositionBackward, isAligned, count, _lanes, [(nint)(&gradient), (nint)(&positionSum), (nint)(&sequences), (nint)(&count)]);
    }

    private sealed class EmbeddingKernels(CudaModule module)
    {
        public KernelVariants Forward { get; } = KernelVariants.Of(module, "embedding_forward");

        public KernelVariants Backward { get; } = KernelVariants.Of(module, "embedding_backward");

        public KernelVariants PositionBackward { get; } = KernelVariants.Of(module, "position_backward");
    }
}
