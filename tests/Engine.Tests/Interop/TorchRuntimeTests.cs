using System.Runtime.InteropServices;
using Offload.Engine.Interop;
using TorchSharp;

namespace Offload.Engine.Tests.Interop;

public sealed class TorchRuntimeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-torch-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Load_FromManyThreads_LoadsOneThatRuns()
    {
        LibtorchChoice choice = LibtorchLocator.Locate();
        LoadedTorch[] loaded = new LoadedTorch[8];

        Parallel.For(0, loaded.Length, i => loaded[i] = TorchRuntime.Load(choice));

        Assert.All(loaded, one => Assert.Same(TorchRuntime.Current, one));
        Assert.True(loaded[0].Version >= TorchRuntime.OldestVersion);
        Assert.True(NativeLibrary.TryGetExport(loaded[0].TorchCpu, "aoti_torch_call_dispatcher", out _));
        using torch.Tensor product = torch.ones(2, 2).mm(torch.ones(2, 2));
        Assert.Equal(8f, product.sum().item<float>());
        Assert.Single(DynamicLoader.MappedFiles("libtorch_cpu.so"));
    }

    [Fact]
    public void Load_AnotherLibtorchAfterTheFirst_IsRefused()
    {
        _ = TorchRuntime.Current;
        string[] names = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];
        foreach (string name in names)
        {
            File.WriteAllText(Path.Combine(_folder, name), "not a library");
        }

        var error = Assert.Throws<NativeLibraryException>(() => TorchRuntime.Load(LibtorchLocator.Locate(_folder)));

        Assert.Contains("has loaded", error.Message);
        Assert.Equal(Path.Combine(_folder, "libtorch_cpu.so"), error.Library);
    }

    [Fact]
    public void Load_CudaWithoutCudaLibraries_SaysWhatIsMissing()
    {
        LoadedTorch loaded = TorchRuntime.Current;
        Assert.SkipUnless(loaded.TorchCuda == IntPtr.Zero, "this libtorch has CUDA");

        var error = Assert.Throws<NativeLibraryException>(() => TorchRuntime.Load(loaded.Choice, DeviceType.CUDA));

        Assert.Contains("libtorch_cuda.so", error.Message);
        Assert.Contains("--libtorch", error.Hint);
    }

    [Fact]
    public void LoadGlobal_FileThatIsNoLibrary_CarriesTheLoadersText()
    {
        string path = Path.Combine(_folder, "libc10.so");
        File.WriteAllText(path, "not a library");

        var error = Assert.Throws<NativeLibraryException>(() => DynamicLoader.LoadGlobal(path, "use another"));

        Assert.Contains("file too short", error.Message);
        Assert.Equal("use another", error.Hint);
    }

    [Fact]
    public void IsLoaded_RenamedLibrary_AnswersToBothPaths()
    {
        // Any small library that is not in use serves; libutil is an empty one of the C library.
        string source = DynamicLoader.MappedFiles("libc.so")[0];
        string original = Path.Combine(Path.GetDirectoryName(source)!, "libutil.so.1");
        Assert.SkipUnless(File.Exists(original), "no libutil.so.1 beside the C library");
        string copy = Path.Combine(_folder, "libutil-copy.so");
        string alias = Path.Combine(_folder, "libutil-alias.so");
        File.Copy(original, copy);
        File.Copy(original, alias);
        IntPtr handle = DynamicLoader.LoadGlobal(copy, "");
        Assert.False(DynamicLoader.IsLoaded(alias));

        DynamicLoader.Rename(handle, alias);

        Assert.True(DynamicLoader.IsLoaded(alias));
        Assert.True(DynamicLoader.IsLoaded(copy));
        Assert.Empty(DynamicLoader.MappedFiles("libutil-alias.so"));
    }
}
