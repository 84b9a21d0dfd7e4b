using Offload.Engine.Cuda;

namespace Offload.Engine.Tests.Cuda;

[Collection(nameof(ProcessWide))]
public sealed class KernelCacheFolderTests : IDisposable
{
    private const string Variable = "XDG_CACHE_HOME";

    private readonly string? _before = Environment.GetEnvironmentVariable(Variable);

    public void Dispose() => Environment.SetEnvironmentVariable(Variable, _before);

    [Fact]
    public void DefaultFolder_VariableSet_IsInIt()
    {
        Environment.SetEnvironmentVariable(Variable, "/caches");

        Assert.Equal("/caches/offload/kernels", KernelCache.DefaultFolder());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("relative")]
    public void DefaultFolder_VariableUnsetOrRelative_IsInTheHomeFolder(string? value)
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        Assert.SkipWhen(home.Length == 0, "this user has no home folder");
        Environment.SetEnvironmentVariable(Variable, value);

        Assert.Equal(Path.Join(home, ".cache", "offload", "kernels"), KernelCache.DefaultFolder());
    }
}
