using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Offload.Engine.Interop;

/// <summary>
/// Any ATen operator, called by name through libtorch's dispatcher: the way to operators that TorchSharp lacks. About 0.8 us a
/// call, as TorchSharp's own. Only operators whose returns are all tensors; arguments in schema order. Safe for concurrent use.
/// </summary>
internal sealed unsafe class AtenOperator
{
    private readonly string _name;
    private readonly byte* _nativeName;
    private readonly byte* _nativeOverload;

    /// <param name="name">Schema name, e.g. "aten::mm".</param>
    /// <param name="overload">Overload, e.g. "out"; empty for the plain one.</param>
    public AtenOperator(string name, string overload = "")
    {
        _name = overload.Length == 0 ? name : $"{name}.{overload}";
        // Operators are static; their names live as long as the process.
        _nativeName = (byte*)Marshal.StringToCoTaskMemUTF8(name);
        _nativeOverload = (byte*)Marshal.StringToCoTaskMemUTF8(overload);
    }

    /// <summary>Calls the operator.</summary>
    /// <param name="arguments">In schema order; tensors are borrowed.</param>
    /// <param name="results">Receives the returned tensors; the caller owns them.</param>
    /// <exception cref="LibtorchException">The operator failed; carries libtorch's text.</exception>
    public void Call(ReadOnlySpan<AtenValue> arguments, Span<Tensor> results)
    {
        ulong* stack = stackalloc ulong[Math.Max(arguments.Length, results.Length)];
        if (TryCall(arguments, stack) != 0)
        {
            throw new LibtorchException(_name, ErrorText([.. arguments], stack));
        }

        for (int i = 0; i < results.Length; i++)
        {
            results[i] = Tensor.UnsafeCreateTensor((nint)stack[i]);
        }
    }

    /// <summary>Calls an operator that returns one tensor, which the caller owns.</summary>
    public Tensor Call(params ReadOnlySpan<AtenValue> arguments)
    {
        Tensor result = null!;
        Call(arguments, new Span<Tensor>(ref result));
        return result;
    }

    private int TryCall(ReadOnlySpan<AtenValue> arguments, ulong* stack)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            stack[i] = arguments[i].Word;
            if (arguments[i].Tensor is Tensor tensor)
            {
                // The call consumes its tensor handles, so it gets new ones.
                if (StableAbi.aoti_torch_new_tensor_handle(tensor.Handle, out nint handle) != 0)
                {
                    throw new LibtorchException(_name, "a tensor handle could not be copied");
                }

                GC.KeepAlive(tensor);
                stack[i] = (ulong)handle;
            }
        }

        return StableAbi.aoti_torch_call_dispatcher(_nativeName, _nativeOverload, stack);
    }

    /// <summary>The ABI returns no text, it logs it: the failed call is made once more with the log captured.</summary>
    private string ErrorText(AtenValue[] arguments, ulong* stack)
    {
        int error = 0;
        string? text = LibtorchLog.Capture(() => error = TryCall(arguments, stack));
        return error == 0 ? "it failed once and succeeded when tried again" : text ?? "it gives no reason";
    }
}
