using System.Runtime.InteropServices;

namespace Offload.Engine.Cuda;

/// <summary>
/// The functions of cublasLt (cublasLt.h) that <see cref="CudaGemm"/> calls, with the header's numbers. Loaded at the first use: in a process with
/// libtorch's CUDA, the one that libtorch uses. Any thread.
/// </summary>
internal sealed unsafe class CublasLt
{
    internal const int DataFloat32 = 0;
    internal const int DataBFloat16 = 14;

    /// <summary>fp32 throughout: TF32 is another number.</summary>
    internal const int ComputeFloat32 = 68;

    internal const int OperationTranspose = 1;

    internal const int DescriptorTransposeA = 3;
    internal const int DescriptorTransposeB = 4;
    internal const int DescriptorEpilogue = 7;
    internal const int DescriptorBiasPointer = 8;
    internal const int EpilogueBias = 4;

    internal const int PreferenceMaxWorkspaceBytes = 1;
    internal const int PreferenceReductionSchemes = 3;

    /// <summary>Of A; B, C and D follow.</summary>
    internal const int PreferenceMinAlignment = 5;

    internal const int ReductionInComputeType = 2;
    internal const int CapabilityOutOfPlace = 4;

    private static readonly Lock Gate = new();

    private static CublasLt? _instance;

    private readonly delegate* unmanaged<int, byte*> _getStatusName;

    private CublasLt(nint library)
    {
        Create = (delegate* unmanaged<nint*, int>)Export("cublasLtCreate");
        Destroy = (delegate* unmanaged<nint, int>)Export("cublasLtDestroy");
        DescriptorCreate = (delegate* unmanaged<nint*, int, int, int>)Export("cublasLtMatmulDescCreate");
        DescriptorDestroy = (delegate* unmanaged<nint, int>)Export("cublasLtMatmulDescDestroy");
        DescriptorSet = (delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulDescSetAttribute");
        LayoutCreate = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)Export("cublasLtMatrixLayoutCreate");
        LayoutDestroy = (delegate* unmanaged<nint, int>)Export("cublasLtMatrixLayoutDestroy");
        PreferenceCreate = (delegate* unmanaged<nint*, int>)Export("cublasLtMatmulPreferenceCreate");
        PreferenceDestroy = (delegate* unmanaged<nint, int>)Export("cublasLtMatmulPreferenceDestroy");
        PreferenceSet = (delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulPreferenceSetAttribute");
        GetHeuristic = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, HeuristicResult*, int*, int>)Export("cublasLtMatmulAlgoGetHeuristic");
        GetCapability = (delegate* unmanaged<Algorithm*, int, void*, nuint, nuint*, int>)Export("cublasLtMatmulAlgoCapGetAttribute");
        Multiply = (delegate* unmanaged<nint, nint, float*, void*, nint, void*, nint, float*, void*, nint, void*, nint, Algorithm*, void*, nuint, nint, int>)Export("cublasLtMatmul");
        _getStatusName = (delegate* unmanaged<int, byte*>)Export("cublasLtGetStatusName");

        nint Export(string name) => NativeLibrary.GetExport(library, name);
    }

    /// <summary>The library of this process.</summary>
    /// <exception cref="CudaException">There is none.</exception>
    public static CublasLt Instance
    {
        get
        {
            lock (Gate)
            {
                return _instance ??= new CublasLt(CudaLibraries.Load("cublasLt"));
            }
        }
    }

    internal delegate* unmanaged<nint*, int> Create { get; }

    internal delegate* unmanaged<nint, int> Destroy { get; }

    /// <summary>(created, compute type, type of the factors).</summary>
    internal delegate* unmanaged<nint*, int, int, int> DescriptorCreate { get; }

    internal delegate* unmanaged<nint, int> DescriptorDestroy { get; }

    /// <summary>(descriptor, attribute, value, bytes).</summary>
    internal delegate* unmanaged<nint, int, void*, nuint, int> DescriptorSet { get; }

    /// <summary>(created, type, rows, columns, leading dimension): column-major.</summary>
    internal delegate* unmanaged<nint*, int, ulong, ulong, long, int> LayoutCreate { get; }

    internal delegate* unmanaged<nint, int> LayoutDestroy { get; }

    internal delegate* unmanaged<nint*, int> PreferenceCreate { get; }

    internal delegate* unmanaged<nint, int> PreferenceDestroy { get; }

    internal delegate* unmanaged<nint, int, void*, nuint, int> PreferenceSet { get; }

    /// <summary>(handle, descriptor, A, B, C, D, preference, most results, results, number of results).</summary>
    internal delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, HeuristicResult*, int*, int> GetHeuristic { get; }

    /// <summary>(algorithm, attribute, value, bytes, bytes written).</summary>
    internal delegate* unmanaged<Algorithm*, int, void*, nuint, nuint*, int> GetCapability { get; }

    /// <summary>(handle, descriptor, alpha, A, its layout, B, its layout, beta, C, its layout, D, its layout, algorithm, workspace, bytes, stream).</summary>
    internal delegate* unmanaged<nint, nint, float*, void*, nint, void*, nint, float*, void*, nint, void*, nint, Algorithm*, void*, nuint, nint, int> Multiply { get; }

    /// <exception cref="CudaException">The status is a failure.</exception>
    internal void Check(int status, string operation)
    {
        if (status != 0)
        {
            throw new CudaException(operation, Describe(status), null);
        }
    }

    /// <summary>The library's name of a status: CUBLAS_STATUS_NOT_SUPPORTED.</summary>
    internal string Describe(int status) => Marshal.PtrToStringUTF8((nint)_getStatusName(status)) ?? $"status {status}";

    /// <summary>cublasLtMatmulAlgo_t.</summary>
    internal struct Algorithm
    {
        private fixed ulong _data[8];
    }

    /// <summary>cublasLtMatmulHeuristicResult_t.</summary>
    internal struct HeuristicResult
    {
        internal Algorithm Algorithm;
        internal nuint WorkspaceBytes;
        internal int Status;
        internal float WavesCount;
        private fixed int _reserved[4];
    }
}
