namespace Offload.Engine.Cuda;

/// <summary>
/// Matrix products on a stream, by cublasLt. The first product of a shape is planned (about a millisecond of the host); from then on nothing is
/// allocated. Results are the same in every run on the same GPU model and version of CUDA. One thread at a time.
/// </summary>
internal sealed unsafe class CudaGemm : IDisposable
{
    /// <summary>What cublasLt wants of its workspace.</summary>
    internal const int WorkspaceAlignmentBytes = 256;

    private readonly Dictionary<GemmKey, GemmPlan> _plans = [];
    private readonly CublasLt _library;
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly byte* _workspace;
    private readonly long _workspaceBytes;
    private nint _handle;

    /// <param name="device">Made current on this thread.</param>
    /// <param name="stream">Where products are issued.</param>
    /// <param name="workspace">GPU memory that algorithms use while they run, aligned to 256 bytes; the caller's, for as long as products run.</param>
    /// <param name="workspaceBytes">Its size: NVIDIA advises 32 MiB for Hopper, 4 MiB for older GPUs; zero is allowed.</param>
    /// <exception cref="CudaException">There is no cublasLt, or it does not start.</exception>
    /// <exception cref="ArgumentException">The workspace is not aligned.</exception>
    public CudaGemm(CudaDevice device, CudaStream stream, byte* workspace, long workspaceBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(workspaceBytes);
        if ((nuint)workspace % WorkspaceAlignmentBytes != 0)
        {
            throw new ArgumentException($"the workspace must be aligned to {WorkspaceAlignmentBytes} bytes", nameof(workspace));
        }

        _device = device;
        _stream = stream;
        _workspace = workspace;
        _workspaceBytes = workspaceBytes;
        _library = CublasLt.Instance;
        device.MakeCurrent();
        nint handle = 0;
        _library.Check(_library.Create(&handle), "start cublasLt");
        _handle = handle;
    }

    /// <summary>Number of plans made so far.</summary>
    internal int NumPlans => _plans.Count;

    /// <summary>
    /// Issues destination = left' right' + bias + (destination if the shape accumulates, else addend), all summed in fp32 and rounded once.
    /// </summary>
    /// <param name="shape">Sizes, types and how the operands are stored.</param>
    /// <param name="left">[M, K], or [K, M] if transposed.</param>
    /// <param name="right">[K, N], or [N, K] if transposed.</param>
    /// <param name="destination">[M, N]; apart from left and right.</param>
    /// <param name="bias">[N] of the destination's type, added to each row; null: none.</param>
    /// <param name="addend">[M, N] of the destination's type; it may be the destination; null: none. Not with a shape that accumulates.</param>
    /// <exception cref="CudaException">cublasLt cannot do it, or work issued before failed.</exception>
    public void Multiply(in GemmShape shape, void* left, void* right, void* destination, void* bias = null, void* addend = null)
    {
        if (shape.Accumulates && addend is not null)
        {
            throw new ArgumentException("a product that is added to its destination takes no addend", nameof(addend));
        }

        bool isInPlace = shape.Accumulates || addend == destination;
        bool hasAddend = addend is not null && !isInPlace;
        var key = new GemmKey(shape, bias is not null, hasAddend, GemmAlignments.Of(left, right, destination, bias, hasAddend ? addend : null));
        if (!_plans.TryGetValue(key, out GemmPlan? plan))
        {
            ObjectDisposedException.ThrowIf(_handle == 0, this);
            plan = new GemmPlan(_library, _handle, key, bias, _workspaceBytes);
            _plans.Add(key, plan);
        }

        if (hasAddend && plan.CopiesAddend)
        {
            long elementBytes = shape.IntoFloat32 || shape.Type == Models.ComputeType.Float32 ? sizeof(float) : sizeof(ushort);
            _stream.Copy(destination, addend, shape.M * (long)shape.N * elementBytes);
            isInPlace = true;
        }

        void* added = isInPlace ? destination : addend;
        int status = plan.Multiply(_handle, left, right, destination, bias, added, _workspace, _workspaceBytes, _stream);
        if (status != 0)
        {
            throw new CudaException("multiply matrices", $"{_library.Describe(status)} for {key.Describe()}", "work that was issued before may have failed: CUDA_LAUNCH_BLOCKING=1 tells which");
        }
    }

    /// <summary>Gives plans and the handle back; products that were issued still run to their end. Idempotent.</summary>
    public void Dispose()
    {
        if (_handle == 0)
        {
            return;
        }

        foreach (GemmPlan plan in _plans.Values)
        {
            plan.Dispose();
        }

        _plans.Clear();
        _device.MakeCurrent();
        _library.Destroy(_handle);
        _handle = 0;
    }
}
