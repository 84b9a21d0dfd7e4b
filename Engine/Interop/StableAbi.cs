using System.Runtime.InteropServices;

namespace Offload.Engine.Interop;

/// <summary>
/// libtorch's stable C ABI (torch/csrc/inductor/aoti_torch/c/shim.h), made for AOTInductor and kept across releases. A
/// TorchSharp <c>Tensor.Handle</c> is its <c>AtenTensorHandle</c>. Every call returns 0, or an error whose text libtorch logs.
/// </summary>
internal static unsafe partial class StableAbi
{
    internal const string Library = "torch_cpu";

    static StableAbi() => LibtorchLog.Silence();

    [LibraryImport(Library)]
    internal static partial int aoti_torch_call_dispatcher(byte* operatorName, byte* overloadName, ulong* stack);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_new_tensor_handle(nint tensor, out nint newHandle);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_delete_tensor_object(nint tensor);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_get_data_ptr(nint tensor, out nint data);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_create_tensor_from_blob(
        nint data, long numDimensions, long* sizes, long* strides, long storageOffset, int scalarType, int deviceType, int deviceIndex, out nint tensor);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_new_uninitialized_tensor(out nint tensor);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_get_dim(nint tensor, out long count);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_get_sizes(nint tensor, out long* sizes);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_get_strides(nint tensor, out long* strides);
}
