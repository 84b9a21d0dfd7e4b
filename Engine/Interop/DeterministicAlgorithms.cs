using System.Runtime.InteropServices;

namespace Offload.Engine.Interop;

/// <summary>
/// libtorch's switch between kernels that add up in any order and those that keep one (torch.use_deterministic_algorithms), which TorchSharp and the
/// stable ABI lack: at::Context's own functions, by their C++ names. For the whole process; any thread.
/// </summary>
internal static unsafe class DeterministicAlgorithms
{
    private const string Context = "_ZN2at13globalContextEv";
    private const string Algorithms = "_ZN2at7Context26setDeterministicAlgorithmsEbb";
    private const string FilledMemory = "_ZN2at7Context39setDeterministicFillUninitializedMemoryEb";

    private static bool _isOn;

    /// <summary>Turns it on or off. It is off in the beginning, and left alone if it need not change.</summary>
    /// <exception cref="LibtorchException">This libtorch has no such switch.</exception>
    public static void Set(bool isOn)
    {
        if (isOn == _isOn)
        {
            return;
        }

        nint library = TorchRuntime.Current.TorchCpu;
        var context = (delegate* unmanaged<nint>)Find(library, Context);
        nint global = context();
        // Not only a warning; and memory that an operator writes anyway is not filled first.
        ((delegate* unmanaged<nint, byte, byte, void>)Find(library, Algorithms))(global, (byte)(isOn ? 1 : 0), 0);
        ((delegate* unmanaged<nint, byte, void>)Find(library, FilledMemory))(global, 0);
        _isOn = isOn;
    }

    private static nint Find(nint library, string name) => NativeLibrary.TryGetExport(library, name, out nint address)
        ? address
        : throw new LibtorchException("use_deterministic_algorithms", $"this libtorch has no {name}", "use libtorch 2.10 or 2.11");
}
