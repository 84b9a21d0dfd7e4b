namespace Offload.Engine.Cuda.Kernels;

/// <content>Loss.</content>
internal sealed unsafe partial class CudaKernels
{
    private const int LossThreads = 512;

    private readonly LossKernels _losses;

    /// <summary>Softmax cross-entropy of each row; the logits become their gradient if that is wanted.</summary>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <param name="targets">[rows], on the GPU or pinned; below the vocabulary; negative: not counted, loss and gradient 0.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="vocabulary">Columns.</param>
    /// <param name="gradScale">Factor of the gradient.</param>
    /// <param name="withGradient">Overwrites the logits.</param>
    /// <param name="rowLosses">fp32 [rows]: receives the losses.</param>
    public void CrossEntropy(void* logits, int* targets, long rows, int vocabulary, float gradScale, bool withGradient, float* rowLosses)
    {
        if (rows == 0)
        {
            return;
        }

        int isWithGradient = withGradient ? 1 : 0;
        _losses.CrossEntropy.Launch(
            _stream, rows, 1, 1, Math.Min(LossThreads, RoundToWarps(CeilingOf(vocabulary, _lanes))), 0,
            [(nint)(&logits), (nint)(&targets), (nint)(&vocabulary), (nint)(&gradScale), (nint)(&isWithGradient), (nint)(&rowLosses)]);
    }

    /// <summary>Sum of the rows' losses in float64, in a fixed order.</summary>
    /// <param name="rowLosses">fp32 [rows].</param>
    /// <param name="rows">Rows; 0: the sum is 0.</param>
    /// <param name="result">Receives the sum; on the GPU or pinned.</param>
    public void SumLosses(float* rowLosses, long rows, double* result) =>
        _losses.SumLosses.Launch(_stream, 1, 1, 1, LossThreads, 0, [(nint)(&rowLosses), (nint)(&rows), (nint)(&result)]);

    private sealed class LossKernels(CudaModule module)
    {
        public CudaFunction CrossEntropy { get; } = module.Get("cross_entropy");

        public CudaFunction SumLosses { get; } = module.Get("sum_losses");
    }
}
