using System.Numerics;

namespace Offload.Engine.Cuda.Kernels;

/// <content>Heads of packed projections.</content>
internal sealed unsafe partial class CudaKernels
{
    /// <summary>Heads that a thread of the rotation takes at once: they share their angles.</summary>
    private const int HeadsPerThread = 4;

    private readonly HeadKernels _heads;

    /// <summary>RMS norm of each head, in place.</summary>
    /// <param name="packed">[rows, row stride].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="rowStride">Elements from a row to the next.</param>
    /// <param name="firstHead">Index of the first head in a row.</param>
    /// <param name="numHeads">How many.</param>
    /// <param name="headSize">Elements of a head.</param>
    /// <param name="weight">[head size].</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public void HeadNormForward(void* packed, long rows, long rowStride, int firstHead, int numHeads, int headSize, void* weight, float epsilon)
    {
        long numItems = rows * numHeads;
        if (numItems == 0)
        {
            return;
        }

        int group = headSize / _lanes;
        if (IsGroup(headSize) && IsWhole(rowStride) && IsAligned(packed) && IsAligned(weight))
        {
            _heads.NormForward.Aligned.Launch(
                _stream, CeilingOf(numItems, BlockThreads / group), 1, 1, BlockThreads, 0,
                [
                    (nint)(&packed), (nint)(&numItems), (nint)(&rowStride), (nint)(&firstHead), (nint)(&numHeads), (nint)(&headSize), (nint)(&group),
                    (nint)(&weight), (nint)(&epsilon),
                ]);
        }
        else
        {
            _heads.NormForward.Any.Launch(
                _stream, CeilingOf(numItems, BlockThreads / WarpThreads), 1, 1, BlockThreads, 0,
                [
                    (nint)(&packed), (nint)(&numItems), (nint)(&rowStride), (nint)(&firstHead), (nint)(&numHeads), (nint)(&headSize),
                    (nint)(&weight), (nint)(&epsilon),
                ]);
        }
    }

    /// <summary>Gradient of <see cref="HeadNormForward"/>, in place; adds the weight's into its sum.</summary>
    /// <param name="raw">What was given forward: [rows, raw stride].</param>
    /// <param name="rawStride">Elements from a row to the next.</param>
    /// <param name="gradient">In: gradient of the result. Out: of what was given. [rows, gradient stride], heads at the same places as in raw.</param>
    /// <param name="gradientStride">Elements from a row to the next.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="firstHead">Index of the first head in a row.</param>
    /// <param name="numHeads">How many.</param>
    /// <param name="headSize">Elements of a head.</param>
    /// <param name="weight">[head size].</param>
    /// <param name="weightSum">fp32 [head size].</param>
    /// <param name="partials">Scratch: see <see cref="MaxPartialRows"/>; the width is the head size.</param>
    /// <param name="epsilon">As forward.</param>
    public void HeadNormBackward(
        void* raw, long rawStride, void* gradient, long gradientStride, long rows, int firstHead, int numHeads, int headSize,
        void* weight, float* weightSum, float* partials, float epsilon)
    {
        long numItems = rows * numHeads;
        if (numItems == 0)
        {
            return;
        }

        int group = headSize / _lanes;
        bool isAligned = IsGroup(headSize) && IsWhole(rawStride) && IsWhole(gradientStride) && IsAligned(raw) && IsAligned(gradient) && IsAligned(weight);
        long itemsOfTurn = isAligned ? BlockThreads / group * HeadsPerThread : 1;
        int itemsPerBlock = checked((int)(CeilingOf(CeilingOf(numItems, MaxPartialRows), itemsOfTurn) * itemsOfTurn));
        int numBlocks = (int)CeilingOf(numItems, itemsPerBlock);
        if (isAligned)
        {
            _heads.NormBackward.Aligned.Launch(
                _stream, numBlocks, 1, 1, BlockThreads, 0,
                [
                    (nint)(&raw), (nint)(&rawStride), (nint)(&gradient), (nint)(&gradientStride), (nint)(&numItems), (nint)(&itemsPerBlock),
                    (nint)(&firstHead), (nint)(&numHeads), (nint)(&headSize), (nint)(&group), (nint)(&weight), (nint)(&partials), (nint)(&epsilon),
                ]);
        }
        else
        {
            _heads.NormBackward.Any.Launch(
                _stream, numBlocks, 1, 1, WarpThreads, 0,
                [
                    (nint)(&raw), (nint)(&rawStride), (nint)(&gradient), (nint)(&gradientStride), (nint)(&numItems), (nint)(&itemsPerBlock),
                    (nint)(&firstHead), (nint)(&numHeads), (nint)(&headSize), (nint)(&weight), (nint)(&partials), (nint)(&epsilon),
                ]);
        }

        AddPartials(partials, numBlocks, headSize, weightSum);
    }

    /// <summary>Copies the first columns of each row.</summary>
    /// <param name="source">[rows, source stride].</param>
    /// <param name="sourceStride">Elements from a row to the next.</param>
    /// <param name="destination">[rows, destination stride].</param>
    /// <param name="destinationStride">Elements from a row to the next.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Elements of each row to copy.</param>
    public void CopyColumns(void* source, long sourceStride, void* destination, long destinationStride, long rows, long columns)
    {
        bool isAligned = IsWhole(columns) && IsWhole(sourceStride) && IsWhole(destinationStride) && IsAligned(source) && IsAligned(destination);
        LaunchRows(
            _heads.CopyColumns, isAligned, rows, columns,
            [(nint)(&source), (nint)(&sourceStride), (nint)(&destination), (nint)(&destinationStride), (nint)(&columns)]);
    }

    /// <summary>Rotary embedding of the first heads of each row, in place.</summary>
    /// <param name="packed">[rows, row stride].</param>
    /// <param name="rows">Rows: sequences * tokens.</param>
    /// <param name="rowStride">Elements from a row to the next.</param>
    /// <param name="tokens">Tokens of a sequence: the position is row % tokens.</param>
    /// <param name="numHeads">Heads to rotate.</param>
    /// <param name="headSize">Elements of a head; even.</param>
    /// <param name="cos">[positions, head size / 2], on the GPU.</param>
    /// <param name="sin">As cos.</param>
    /// <param name="inverse">Rotates back: the gradient.</param>
    public void Rotary(void* packed, long rows, long rowStride, int tokens, int numHeads, int headSize, float* cos, float* sin, bool inverse)
    {
        int half = headSize / 2;
        float sign = inverse ? -1 : 1;
        bool isAligned = IsWhole(half) && IsWhole(rowStride) && IsAligned(packed) && IsAligned(cos) && IsAligned(sin);
        LaunchRows(
            _heads.Rotate, isAligned, rows, CeilingOf(numHeads, HeadsPerThread) * half,
            [
                (nint)(&packed), (nint)(&rowStride), (nint)(&tokens), (nint)(&numHeads), (nint)(&headSize), (nint)(&cos), (nint)(&sin), (nint)(&sign),
            ]);
    }

    /// <summary>Puts the gradients of queries, keys and values side by side, queries and keys rotated back on the way.</summary>
    /// <param name="gradQ">[sequences, tokens, heads, head size].</param>
    /// <param name="gradK">[sequences, tokens, key/value heads, head size].</param>
    /// <param name="gradV">As gradK.</param>
    /// <param name="packed">[sequences * tokens, (heads + 2 * key/value heads) * head size]; none of the others' memory.</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="tokens">Tokens of each.</param>
    /// <param name="numHeads">Heads.</param>
    /// <param name="numKvHeads">Key/value heads.</param>
    /// <param name="headSize">Elements of a head; even if there are angles.</param>
    /// <param name="cos">[positions, head size / 2], on the GPU; null: nothing is rotated.</param>
    /// <param name="sin">As cos.</param>
    public void PackQkvGradient(
        void* gradQ, void* gradK, void* gradV, void* packed, int sequences, int tokens, int numHeads, int numKvHeads, int headSize, float* cos, float* sin)
    {
        long rows = (long)sequences * tokens;
        long stride = (numHeads + (2L * numKvHeads)) * headSize;
        if (cos == null)
        {
            long queryColumns = (long)numHeads * headSize;
            long keyColumns = (long)numKvHeads * headSize;
            CopyColumns(gradQ, queryColumns, packed, stride, rows, queryColumns);
            CopyColumns(gradK, keyColumns, Element(packed, queryColumns), stride, rows, keyColumns);
            CopyColumns(gradV, keyColumns, Element(packed, queryColumns + keyColumns), stride, rows, keyColumns);
            return;
        }

        int half = headSize / 2;
        bool isAligned = IsWhole(half) && IsAligned(gradQ) && IsAligned(gradK) && IsAligned(gradV) && IsAligned(packed) && IsAligned(cos) && IsAligned(sin);
        LaunchRows(
            _heads.PackRotated, isAligned, rows, CeilingOf(numHeads + (2L * numKvHeads), HeadsPerThread) * half,
            [
                (nint)(&gradQ), (nint)(&gradK), (nint)(&gradV), (nint)(&packed), (nint)(&tokens), (nint)(&numHeads), (nint)(&numKvHeads), (nint)(&headSize),
                (nint)(&cos), (nint)(&sin),
            ]);
    }

    private void* Element(void* matrix, long index) => (byte*)matrix + (index * (VectorBytes / _lanes));

    /// <summary>A head goes into a power of two of neighbouring threads, 16 bytes each.</summary>
    private bool IsGroup(int headSize) => IsWhole(headSize) && headSize / _lanes is > 0 and <= WarpThreads && BitOperations.IsPow2(headSize / _lanes);

    private sealed class HeadKernels(CudaModule module)
    {
        public KernelVariants NormForward { get; } = KernelVariants.Of(module, "head_norm_forward");

        public KernelVariants NormBackward { get; } = KernelVariants.Of(module, "head_norm_backward");

        public KernelVariants CopyColumns { get; } = KernelVariants.Of(module, "copy_columns");

        public KernelVariants Rotate { get; } = KernelVariants.Of(module, "rotate");

        public KernelVariants PackRotated { get; } = KernelVariants.Of(module, "pack_rotated");
    }
}
