using Offload.Engine.Models;

namespace Offload.Engine.Cuda;

/// <summary>
/// How cublasLt computes one shape of product: its descriptors and the algorithm that it holds the fastest, the same in every run on the same GPU
/// and version. cublasLt is column-major, where a row-major matrix is its transpose: destination^T = right'^T left'^T.
/// </summary>
internal sealed unsafe class GemmPlan : IDisposable
{
    /// <summary>
    /// No algorithm asks for more: 128-bit loads, and TMA's addresses. Counting more would choose by where a slot happens to lie.
    /// </summary>
    internal const int MaxAlignmentBytes = 16;

    // The first is nearly always good; more are for products that few algorithms do.
    private const int MaxCandidates = 16;

    private readonly CublasLt _library;
    private readonly nint _right;
    private readonly nint _left;
    private readonly nint _destination;
    private readonly CublasLt.Algorithm _algorithm;
    private nint _descriptor;

    /// <param name="library">cublasLt.</param>
    /// <param name="handle">Its handle.</param>
    /// <param name="key">What to plan.</param>
    /// <param name="bias">A bias such as will be given, or null.</param>
    /// <param name="workspaceBytes">Most that the algorithm may use.</param>
    /// <exception cref="CudaException">cublasLt has no algorithm for it.</exception>
    public GemmPlan(CublasLt library, nint handle, in GemmKey key, void* bias, long workspaceBytes)
    {
        GemmShape shape = key.Shape;
        ArgumentOutOfRangeException.ThrowIfLessThan(shape.M, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(shape.N, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(shape.K, 1);
        _library = library;
        int type = shape.Type == ComputeType.Float32 ? CublasLt.DataFloat32 : CublasLt.DataBFloat16;
        int resultType = shape.IntoFloat32 ? CublasLt.DataFloat32 : type;
        try
        {
            nint created = 0;
            library.Check(library.DescriptorCreate(&created, CublasLt.ComputeFloat32, CublasLt.DataFloat32), "plan a matrix product");
            _descriptor = created;
            if (shape.TransposeRight)
            {
                SetDescriptor(CublasLt.DescriptorTransposeA, CublasLt.OperationTranspose);
            }

            if (shape.TransposeLeft)
            {
                SetDescriptor(CublasLt.DescriptorTransposeB, CublasLt.OperationTranspose);
            }

            if (key.HasBias)
            {
                SetDescriptor(CublasLt.DescriptorEpilogue, CublasLt.EpilogueBias);
                // Known before the choice, as some versions find no algorithm for a bias that is nowhere.
                library.Check(SetBias(bias), "plan a matrix product");
            }

            // Stored [rows, columns] row-major is [columns, rows] column-major, with the length of a row between columns.
            _right = shape.TransposeRight ? CreateLayout(type, shape.K, shape.N) : CreateLayout(type, shape.N, shape.K);
            _left = shape.TransposeLeft ? CreateLayout(type, shape.M, shape.K) : CreateLayout(type, shape.K, shape.M);
            _destination = CreateLayout(resultType, shape.N, shape.M);
            (_algorithm, CopiesAddend) = Choose(handle, key, workspaceBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The algorithm cannot add a matrix other than the destination: the addend is to be copied there before.</summary>
    public bool CopiesAddend { get; }

    /// <summary>Issues the product.</summary>
    /// <param name="handle">cublasLt's handle.</param>
    /// <param name="left">Left matrix.</param>
    /// <param name="right">Right matrix.</param>
    /// <param name="destination">The result.</param>
    /// <param name="bias">Null if the plan is without.</param>
    /// <param name="added">What is added to the product: another matrix, the destination itself, or null.</param>
    /// <param name="workspace">As large as the plan was told.</param>
    /// <param name="workspaceBytes">Its size.</param>
    /// <param name="stream">Where it is issued.</param>
    /// <returns>cublasLt's status.</returns>
    public int Multiply(nint handle, void* left, void* right, void* destination, void* bias, void* added, byte* workspace, long workspaceBytes, CudaStream stream)
    {
        if (bias is not null)
        {
            int status = SetBias(bias);
            if (status != 0)
            {
                return status;
            }
        }

        float alpha = 1;
        float beta = added is null ? 0 : 1;
        fixed (CublasLt.Algorithm* algorithm = &_algorithm)
        {
            return _library.Multiply(
                handle, _descriptor, &alpha, right, _right, left, _left, &beta, added is null ? destination : added, _destination, destination, _destination,
                algorithm, workspace, (nuint)workspaceBytes, stream.Handle);
        }
    }

    public void Dispose()
    {
        foreach (nint layout in (ReadOnlySpan<nint>)[_right, _left, _destination])
        {
            if (layout != 0)
            {
                _library.LayoutDestroy(layout);
            }
        }

        if (_descriptor != 0)
        {
            _library.DescriptorDestroy(_descriptor);
            _descriptor = 0;
        }
    }

    /// <summary>
    /// The first algorithm for the pointers as they are; if there is none, for what rows guarantee, then for none but whole elements. Odd sizes do
    /// not need it in general: the leading dimensions are known to cublasLt.
    /// </summary>
    private (CublasLt.Algorithm Algorithm, bool CopiesAddend) Choose(nint handle, in GemmKey key, long workspaceBytes)
    {
        nint preference = 0;
        _library.Check(_library.PreferenceCreate(&preference), "plan a matrix product");
        try
        {
            SetPreference(preference, CublasLt.PreferenceMaxWorkspaceBytes, (ulong)workspaceBytes);
            // Partial sums of a split K are kept in fp32 and added in a step of their own, in a fixed order: neither in the destination's
            // type, nor in the destination itself.
            SetPreference(preference, CublasLt.PreferenceReductionSchemes, (uint)CublasLt.ReductionInComputeType);
            foreach (GemmAlignments alignments in (ReadOnlySpan<GemmAlignments>)[key.Alignments, key.Alignments.OfRows(key.Shape), GemmAlignments.OfElements(key.Shape)])
            {
                for (int matrix = 0; matrix < GemmAlignments.NumMatrices; matrix++)
                {
                    SetPreference(preference, CublasLt.PreferenceMinAlignment + matrix, (uint)alignments[matrix]);
                }

                if (TryChoose(handle, preference, key.HasAddend, workspaceBytes, out CublasLt.Algorithm algorithm, out bool copiesAddend))
                {
                    return (algorithm, copiesAddend);
                }
            }
        }
        finally
        {
            _library.PreferenceDestroy(preference);
        }

        throw new CudaException("plan a matrix product", $"cublasLt has no algorithm for {key.Describe()} within {workspaceBytes} bytes of workspace", null);
    }

    private bool TryChoose(nint handle, nint preference, bool hasAddend, long workspaceBytes, out CublasLt.Algorithm algorithm, out bool copiesAddend)
    {
        CublasLt.HeuristicResult* results = stackalloc CublasLt.HeuristicResult[MaxCandidates];
        int count = 0;
        // A failure means that there is none, as a count of 0 does.
        if (_library.GetHeuristic(handle, _descriptor, _right, _left, _destination, _destination, preference, MaxCandidates, results, &count) != 0)
        {
            count = 0;
        }

        int first = -1;
        for (int index = 0; index < count; index++)
        {
            if (results[index].Status != 0 || results[index].WorkspaceBytes > (nuint)workspaceBytes)
            {
                continue;
            }

            first = first < 0 ? index : first;
            if (!hasAddend || IsOutOfPlace(&results[index].Algorithm))
            {
                algorithm = results[index].Algorithm;
                copiesAddend = false;
                return true;
            }
        }

        algorithm = first < 0 ? default : results[first].Algorithm;
        copiesAddend = first >= 0;
        return first >= 0;
    }

    private bool IsOutOfPlace(CublasLt.Algorithm* algorithm)
    {
        int value = 0;
        nuint written = 0;
        return _library.GetCapability(algorithm, CublasLt.CapabilityOutOfPlace, &value, sizeof(int), &written) == 0 && value != 0;
    }

    private nint CreateLayout(int type, int rows, int columns)
    {
        nint layout = 0;
        _library.Check(_library.LayoutCreate(&layout, type, (ulong)rows, (ulong)columns, rows), "plan a matrix product");
        return layout;
    }

    private int SetBias(void* bias) => _library.DescriptorSet(_descriptor, CublasLt.DescriptorBiasPointer, &bias, (nuint)sizeof(void*));

    private void SetDescriptor(int attribute, int value) =>
        _library.Check(_library.DescriptorSet(_descriptor, attribute, &value, sizeof(int)), "plan a matrix product");

    private void SetPreference<T>(nint preference, int attribute, T value)
        where T : unmanaged =>
        _library.Check(_library.PreferenceSet(preference, attribute, &value, (nuint)sizeof(T)), "plan a matrix product");
}
