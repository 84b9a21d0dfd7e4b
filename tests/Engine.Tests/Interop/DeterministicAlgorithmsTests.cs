using System.Runtime.InteropServices;
using Offload.Engine.Interop;

namespace Offload.Engine.Tests.Interop;

/// <summary>libtorch's own switch, by its C++ name.</summary>
[Collection(nameof(ProcessWide))]
public sealed unsafe class DeterministicAlgorithmsTests : IDisposable
{
    public void Dispose() => DeterministicAlgorithms.Set(false);

    [Fact]
    public void Set_OnAndOff_IsWhatLibtorchHas()
    {
        DeterministicAlgorithms.Set(true);
        Assert.True(Get("_ZNK2at7Context23deterministicAlgorithmsEv"));
        Assert.False(Get("_ZNK2at7Context31deterministicAlgorithmsWarnOnlyEv"));
        Assert.False(Get("_ZNK2at7Context36deterministicFillUninitializedMemoryEv"));

        DeterministicAlgorithms.Set(false);
        Assert.False(Get("_ZNK2at7Context23deterministicAlgorithmsEv"));
    }

    private static bool Get(string name)
    {
        nint library = TorchRuntime.Current.TorchCpu;
        nint context = ((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "_ZN2at13globalContextEv"))();
        return ((delegate* unmanaged<nint, byte>)NativeLibrary.GetExport(library, name))(context) != 0;
    }
}
