using Offload.Engine.Cuda;

namespace Offload.Engine.Tests.Cuda;

public sealed class CudaLibrariesTests : IDisposable
{
    private readonly string _packages = Directory.CreateTempSubdirectory("offload-packages-").FullName;

    private string TorchFolder => Path.Join(_packages, "torch", "lib");

    public void Dispose() => Directory.Delete(_packages, recursive: true);

    [Fact]
    public void Candidates_Cuda13OfPython_IsFoundBesideTorch()
    {
        string expected = Add("nvidia/cu13/lib/libnvrtc.so.13");
        Add("nvidia/cu13/lib/libnvrtc-builtins.so.13.0");
        Add("torch/lib/libtorch_cuda.so");

        Assert.Equal([expected, "libnvrtc.so.13", "libnvrtc.so.12"], CudaLibraries.Candidates("nvrtc", TorchFolder, [13, 12]));
    }

    [Fact]
    public void Candidates_Cuda12OfPython_EachInItsPackage()
    {
        string blas = Add("nvidia/cublas/lib/libcublasLt.so.12");
        string compiler = Add("nvidia/cuda_nvrtc/lib/libnvrtc.so.12");

        Assert.Equal(blas, CudaLibraries.Candidates("cublasLt", TorchFolder, [13, 12])[0]);
        Assert.Equal(compiler, CudaLibraries.Candidates("nvrtc", TorchFolder, [13, 12])[0]);
    }

    [Fact]
    public void Candidates_SeveralVersions_TheWantedOneFirst()
    {
        string old = Add("nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
        string newer = Add("nvidia/cu13/lib/libnvrtc.so.13");

        Assert.Equal([old, newer, "libnvrtc.so.12", "libnvrtc.so.13"], CudaLibraries.Candidates("nvrtc", TorchFolder, [12, 13]));
    }

    [Fact]
    public void Candidates_NameWithHashBesideTorch_IsTakenWithoutTheBuiltins()
    {
        string expected = Add("torch/lib/libnvrtc-08c4863f.so.12");
        Add("torch/lib/libnvrtc-builtins-08c4863f.so.12");

        Assert.Equal([expected, "libnvrtc.so.12"], CudaLibraries.Candidates("nvrtc", TorchFolder, [12]));
    }

    [Fact]
    public void Candidates_NoSuchFolder_AreTheSystems() => Assert.Equal(["libnvrtc.so.13"], CudaLibraries.Candidates("nvrtc", "/absent/torch/lib", [13]));

    [Fact]
    public void Load_None_NamesWhatIsMissingAndWhere()
    {
        var error = Assert.Throws<CudaException>(() => CudaLibraries.Load("absent", TorchFolder));

        Assert.Contains("libabsent.so.13 or libabsent.so.12", error.Message, StringComparison.Ordinal);
        Assert.Contains(TorchFolder, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
    }

    [Fact]
    public void Load_FileThatIsNoLibrary_NamesIt()
    {
        string file = Add("nvidia/cu13/lib/libabsent.so.13");

        var error = Assert.Throws<CudaException>(() => CudaLibraries.Load("absent", TorchFolder));

        Assert.Contains($"{file} does not load", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private string Add(string file)
    {
        string path = Path.Join(_packages, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "not a library");
        return path;
    }
}
