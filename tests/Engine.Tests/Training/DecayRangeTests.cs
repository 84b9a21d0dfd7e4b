using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Training;

public class DecayRangeTests
{
    public static TheoryData<string> Models => ["llama", "gpt2", "opt", "qwen2", "qwen3"];

    [Theory]
    [MemberData(nameof(Models))]
    public void Of_EachUnit_CoversItWithoutGapsAndDecaysMatricesAlone(string name)
    {
        foreach (UnitLayout unit in Layout(name).Units)
        {
            IReadOnlyList<DecayRange> ranges = DecayRange.Of(unit, WeightDecayScope.Matrices);

            Assert.Equal(ranges.Select(range => range.Offset), ranges.Select((_, index) => ranges.Take(index).Sum(range => range.Count)));
            Assert.Equal(unit.Count, ranges.Sum(range => range.Count));
            Assert.All(ranges.Zip(ranges.Skip(1)), pair => Assert.NotEqual(pair.First.IsDecayed, pair.Second.IsDecayed));
            Assert.All(unit.Parameters, parameter =>
            {
                DecayRange range = ranges.Last(range => range.Offset <= parameter.Offset);
                Assert.True(parameter.Offset + parameter.Count <= range.Offset + range.Count);
                Assert.Equal(parameter.Shape.Count == 2, range.IsDecayed);
            });
        }
    }

    [Fact]
    public void Of_AllParameters_IsOneRange()
    {
        Assert.All(Layout("gpt2").Units, unit => Assert.Equal(new DecayRange(0, unit.Count, true), Assert.Single(DecayRange.Of(unit, WeightDecayScope.All))));
    }

    private static ModelLayout Layout(string name) => ModelLayout.Create(HubConfig.Load(Path.Combine(GoldenFolder.Repository, name)));
}
