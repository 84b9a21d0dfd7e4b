using Offload.Engine.Models;

namespace Offload.Engine.Cuda.Kernels;

/// <content>Norms and column sums.</content>
internal sealed unsafe partial class CudaKernels
{
    // A thread keeps 1 or 4 pieces of 16 bytes of a row (forward), 1, 2 or 4 (backward, with the sums of their columns): as many as registers allow.
    private const int MaxPiecesOfSmallForward = 128;
    private const int MaxPiecesOfForward = 4 * 1024;
    private const int MaxPiecesOfBackward1x4 = 256;
    private const int MaxPiecesOfBackward2x2 = 2 * 256;
    private const int MaxPiecesOfBackward2x1 = 2 * 384;
    private const int MaxPiecesOfBackward4x1 = 4 * 512;

    /// <summary>A block of the backward takes a multiple of this: the most rows that a kernel has in flight.</summary>
    private const int BackwardRows = 4;

    /// <summary>Rows that a block of column sums takes at least: eight for each of its warps.</summary>
    private const int ColumnSumRows = 64;

    private readonly NormKernels _norms;

    /// <summary>y = norm(x).</summary>
    /// <param name="kind">Which.</param>
    /// <param name="x">[rows, width].</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width] or null.</param>
    /// <param name="y">[rows, width]; may be x.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="epsilon">Added to the variance or mean square.</param>
    public void NormForward(NormKind kind, void* x, void* weight, void* bias, void* y, long rows, int width, float epsilon) =>
        AddNormForward(kind, x, null, null, weight, bias, y, rows, width, epsilon);

    /// <summary>sum = x + residual, rounded; y = norm(sum).</summary>
    /// <param name="kind">Which.</param>
    /// <param name="x">[rows, width].</param>
    /// <param name="residual">[rows, width].</param>
    /// <param name="sum">[rows, width]; may be x or residual.</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width] or null.</param>
    /// <param name="y">[rows, width]; not sum.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="epsilon">Added to the variance or mean square.</param>
    public void AddNormForward(
        NormKind kind, void* x, void* residual, void* sum, void* weight, void* bias, void* y, long rows, int width, float epsilon)
    {
        if (rows == 0)
        {
            return;
        }

        int centred = kind == NormKind.LayerNorm ? 1 : 0;
        int pieces = width / _lanes;
        bool isAligned = IsWhole(width) && IsAligned(x) && IsAligned(residual) && IsAligned(sum) && IsAligned(weight) && IsAligned(bias) && IsAligned(y);
        (CudaFunction kernel, int threads) = !isAligned || pieces > MaxPiecesOfForward ? (_norms.ForwardAny, BlockThreads)
            : pieces <= MaxPiecesOfSmallForward ? (_norms.Forward1, RoundToWarps(pieces))
            : (_norms.Forward4, RoundToWarps(CeilingOf(pieces, 4)));
        kernel.Launch(
            _stream, rows, 1, 1, threads, 0,
            [(nint)(&x), (nint)(&residual), (nint)(&sum), (nint)(&weight), (nint)(&bias), (nint)(&y), (nint)(&width), (nint)(&centred), (nint)(&epsilon)]);
    }

    /// <summary>gradX = norm's gradient + addend, rounded once; adds the gradients of weight and bias into their sums.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="x">[rows, width], as given forward.</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width] or null; read for y alone.</param>
    /// <param name="gradY">[rows, width].</param>
    /// <param name="addend">[rows, width] or null.</param>
    /// <param name="gradX">[rows, width]; may be gradY or addend.</param>
    /// <param name="y">[rows, width]: receives the forward's result again; null: not wanted; may be gradY if gradX is not.</param>
    /// <param name="weightSum">fp32 [width].</param>
    /// <param name="biasSum">fp32 [width]; null: RMSNorm, or not wanted.</param>
    /// <param name="partials">Scratch: see <see cref="MaxPartialRows"/>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="epsilon">As forward.</param>
    public void NormBackward(
        NormKind kind, void* x, void* weight, void* bias, void* gradY, void* addend, void* gradX, void* y,
        float* weightSum, float* biasSum, float* partials, long rows, int width, float epsilon)
    {
        if (rows == 0)
        {
            return;
        }

        int centred = kind == NormKind.LayerNorm ? 1 : 0;
        int pieces = width / _lanes;
        bool isAligned = IsWhole(width) && IsAligned(x) && IsAligned(weight) && IsAligned(bias) && IsAligned(gradY)
            && IsAligned(addend) && IsAligned(gradX) && IsAligned(y) && IsAligned(partials);
        int rowsPerBlock = checked((int)(CeilingOf(CeilingOf(rows, MaxPartialRows), BackwardRows) * BackwardRows));
        int numBlocks = (int)CeilingOf(rows, rowsPerBlock);
        if (!isAligned || pieces > MaxPiecesOfBackward4x1)
        {
            _norms.BackwardAny.Launch(
                _stream, numBlocks, 1, 1, BlockThreads, 0,
                [
                    (nint)(&x), (nint)(&weight), (nint)(&bias), (nint)(&gradY), (nint)(&addend), (nint)(&gradX), (nint)(&y),
                    (nint)(&partials), (nint)(&rows), (nint)(&rowsPerBlock), (nint)(&width), (nint)(&centred), (nint)(&epsilon),
                ]);
        }
        else
        {
            NormBackwardKernels kernels = kind == NormKind.LayerNorm ? _norms.LayerNormBackward : _norms.RmsNormBackward;
            (CudaFunction kernel, int threads) = pieces <= MaxPiecesOfBackward1x4 ? (kernels.For1x4, RoundToWarps(pieces))
                : pieces <= MaxPiecesOfBackward2x2 ? (kernels.For2x2, RoundToWarps(CeilingOf(pieces, 2)))
                : pieces <= MaxPiecesOfBackward2x1 ? (kernels.For2x1, RoundToWarps(CeilingOf(pieces, 2)))
                : (kernels.For4x1, RoundToWarps(CeilingOf(pieces, 4)));
            kernel.Launch(
                _stream, numBlocks, 1, 1, threads, 0,
                [
                    (nint)(&x), (nint)(&weight), (nint)(&bias), (nint)(&gradY), (nint)(&addend), (nint)(&gradX), (nint)(&y),
                    (nint)(&partials), (nint)(&rows), (nint)(&rowsPerBlock), (nint)(&width), (nint)(&epsilon),
                ]);
        }

        AddPartials(partials, numBlocks, width, weightSum);
        if (kind == NormKind.LayerNorm && biasSum != null)
        {
            AddPartials(partials + ((long)numBlocks * width), numBlocks, width, biasSum);
        }
    }

    /// <summary>Adds the sum of each column: a bias's gradient.</summary>
    /// <param name="gradY">[rows, width].</param>
    /// <param name="sums">fp32 [width].</param>
    /// <param name="partials">Scratch: see <see cref="MaxPartialRows"/>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Columns.</param>
    public void ColumnSums(void* gradY, float* sums, float* partials, long rows, int width)
    {
        if (rows == 0)
        {
            return;
        }

        bool isAligned = IsWhole(width) && IsAligned(gradY);
        int rowsPerBlock = checked((int)Math.Max(ColumnSumRows, CeilingOf(rows, MaxPartialRows)));
        int numPartials = (int)CeilingOf(rows, rowsPerBlock);
        long ranges = CeilingOf(width, WarpThreads * (isAligned ? _lanes : 1));
        _norms.ColumnSums.For(isAligned).Launch(
            _stream, ranges, numPartials, 1, BlockThreads, 0,
            [(nint)(&gradY), (nint)(&partials), (nint)(&rows), (nint)(&rowsPerBlock), (nint)(&width)]);
        AddPartials(partials, numPartials, width, sums);
    }

    private void AddPartials(float* partials, int numPartials, int width, float* sums) =>
        _norms.AddPartials.Launch(
            _stream, CeilingOf(width, WarpThreads), 1, 1, 512, 0, [(nint)(&partials), (nint)(&numPartials), (nint)(&width), (nint)(&sums)]);

    /// <summary>By pieces of 16 bytes and rows that a thread has at once.</summary>
    private readonly struct NormBackwardKernels(CudaModule module, string name)
    {
        public CudaFunction For1x4 { get; } = module.Get(name + "_1x4");

        public CudaFunction For2x2 { get; } = module.Get(name + "_2x2");

        public CudaFunction For2x1 { get; } = module.Get(name + "_2x1");

        public CudaFunction For4x1 { get; } = module.Get(name + "_4x1");
    }

    private sealed class NormKernels(CudaModule module)
    {
        public CudaFunction Forward1 { get; } = module.Get("norm_forward_1");

        public CudaFunction Forward4 { get; } = module.Get("norm_forward_4");

        public CudaFunction ForwardAny { get; } = module.Get("norm_forward_any");

        public NormBackwardKernels RmsNormBackward { get; } = new(module, "rms_norm_backward");

        public NormBackwardKernels LayerNormBackward { get; } = new(module, "layer_norm_backward");

        public CudaFunction BackwardAny { get; } = module.Get("norm_backward_any");

        public KernelVariants ColumnSums { get; } = KernelVariants.Of(module, "column_sums");

        public CudaFunction AddPartials { get; } = module.Get("add_partials");
    }
}
