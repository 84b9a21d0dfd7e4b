namespace Offload.Cli.Tests.Architecture;

/// <summary>The libraries' dependency directions (docs/architecture.md), read from the built assemblies.</summary>
public class LayeringTests
{
    private const string Profiles = "Offload.Profiles";
    private const string Storage = "Offload.Storage";
    private const string Swap = "Offload.Swap";
    private const string Engine = "Offload.Engine";

    // Command line, plots, reports and solvers belong to tools and tests.
    private static readonly string[] ToolPackages = ["System.CommandLine", "ScottPlot", "HarfBuzzSharp", "SkiaSharp.HarfBuzz", "Google.OrTools", "Parquet", "BenchmarkDotNet"];

    [Theory]
    [InlineData(Profiles, new string[0])]
    [InlineData(Storage, new[] { Profiles })]
    [InlineData(Swap, new[] { Profiles, Storage })]
    [InlineData(Engine, new[] { Profiles, Storage, Swap })]
    public void References_OfALibrary_AreOnlyLayersBelow(string library, string[] allowed)
    {
        IEnumerable<string> ours = AssemblyGraph.References(library)!.Where(name => name.StartsWith("Offload.", StringComparison.Ordinal));

        Assert.Empty(ours.Except(allowed));
    }

    [Theory]
    [InlineData(Profiles)]
    [InlineData(Storage)]
    [InlineData(Swap)]
    public void Closure_OfALayerBelowTheEngine_HasNoTorchSharp(string library) =>
        Assert.DoesNotContain("TorchSharp", AssemblyGraph.Closure(library));

    [Theory]
    [InlineData(Profiles)]
    [InlineData(Storage)]
    [InlineData(Swap)]
    [InlineData(Engine)]
    public void Closure_OfALibrary_HasNoPackageOfTools(string library)
    {
        IEnumerable<string> found = AssemblyGraph.Closure(library).Where(name => ToolPackages.Any(package => name.StartsWith(package, StringComparison.Ordinal)));

        Assert.Empty(found);
    }

    // Were references not found at all, the tests above would pass for nothing.
    [Fact]
    public void Closure_OfTheProgram_HasAllLayersTorchSharpAndPackagesOfTools() =>
        Assert.Superset(new HashSet<string> { Profiles, Storage, Swap, Engine, "TorchSharp", "System.CommandLine", "ScottPlot" }, AssemblyGraph.Closure("offload").ToHashSet());
}
