using Offload.Engine.Interop;
using Offload.Profiles;

namespace Offload.Engine.Tests.Interop;

public sealed class LibtorchLocatorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-libtorch-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Locate_FolderWithTheLibraries_TakesIt()
    {
        Fill(_folder, "libc10.so", "libtorch_cpu.so", "libtorch.so");

        LibtorchChoice choice = LibtorchLocator.Locate(_folder);

        Assert.Equal(new LibtorchChoice(_folder, LibtorchOrigin.Option), choice);
        Assert.False(choice.HasCuda);
    }

    [Fact]
    public void Locate_FolderAboveTheLibraries_TakesItsLib()
    {
        string inner = Directory.CreateDirectory(Path.Combine(_folder, "lib")).FullName;
        Fill(inner, "libc10.so", "libtorch_cpu.so", "libtorch.so", "libtorch_cuda.so");

        LibtorchChoice choice = LibtorchLocator.Locate(_folder);

        Assert.Equal(inner, choice.Folder);
        Assert.True(choice.HasCuda);
    }

    [Fact]
    public void Locate_FolderWithoutALibrary_NamesIt()
    {
        Fill(_folder, "libc10.so", "libtorch.so");

        var error = Assert.Throws<UsageException>(() => LibtorchLocator.Locate(_folder));

        Assert.Contains("libtorch_cpu.so", error.Message);
        Assert.DoesNotContain("libc10.so", error.Message);
        Assert.Contains(_folder, error.Message);
        Assert.NotNull(error.Hint);
    }

    [Fact]
    public void Locate_NoSuchFolder_SaysSo()
    {
        var error = Assert.Throws<UsageException>(() => LibtorchLocator.Locate(Path.Combine(_folder, "absent")));

        Assert.Contains("no such folder", error.Message);
    }

    [Fact]
    public void Locate_NoFolder_FindsTheOneBesideTheApplication()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable(LibtorchLocator.EnvironmentVariable) is { Length: > 0 }, "OFFLOAD_LIBTORCH is set");

        LibtorchChoice choice = LibtorchLocator.Locate();

        Assert.Equal(LibtorchOrigin.Application, choice.Origin);
        Assert.StartsWith(AppContext.BaseDirectory, choice.Folder);
    }

    private static void Fill(string folder, params string[] names)
    {
        foreach (string name in names)
        {
            File.WriteAllBytes(Path.Combine(folder, name), []);
        }
    }
}
