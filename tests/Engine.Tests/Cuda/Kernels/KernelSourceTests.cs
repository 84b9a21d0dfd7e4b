using System.Text.RegularExpressions;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;

namespace Offload.Engine.Tests.Cuda.Kernels;

public sealed partial class KernelSourceTests
{
    [Theory]
    [InlineData(ComputeType.Float32, "#define OFFLOAD_BFLOAT16 0")]
    [InlineData(ComputeType.BFloat16, "#define OFFLOAD_BFLOAT16 1")]
    public void Of_EachType_BeginsWithItsDefinition(ComputeType type, string expected) =>
        Assert.StartsWith(expected + '\n', KernelSource.Of(type), StringComparison.Ordinal);

    [Fact]
    public void Of_AnyType_IncludesNoHeader()
    {
        // A machine with the driver and libtorch alone has none.
        string source = KernelSource.Of(ComputeType.BFloat16);

        Assert.DoesNotContain("#include", source, StringComparison.Ordinal);
        Assert.True(source.All(char.IsAscii));
    }

    [Fact]
    public void Of_AnyType_HasEachFileOnce()
    {
        string[] embedded = [.. typeof(KernelSource).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".cu", StringComparison.Ordinal))];
        string[] used = [.. LineDirective().Matches(KernelSource.Of(ComputeType.Float32)).Select(match => "Kernels/" + match.Groups[1].Value)];

        Assert.NotEmpty(embedded);
        Assert.Equal(embedded.Order(StringComparer.Ordinal), used.Order(StringComparer.Ordinal));
    }

    [GeneratedRegex("^#line 1 \"(.*)\"$", RegexOptions.Multiline)]
    private static partial Regex LineDirective();
}
