using FsCheck.Xunit;
using Offload.Storage.Devices;

namespace Offload.Storage.Tests.Devices;

public sealed class StripeWidthsTests
{
    [Fact]
    public void FromSpeeds_Equal_AreEqual() => Assert.Equal([4 << 20, 4 << 20, 4 << 20], StripeWidths.FromSpeeds([3.2, 3.2, 3.2]));

    [Fact]
    public void FromSpeeds_ThreeToOne_IsExact()
    {
        IReadOnlyList<int> widths = StripeWidths.FromSpeeds([1, 3]);

        Assert.InRange(widths[1] / (double)widths[0], 2.97, 3.03);
        Assert.Equal(DirectFileDevice.PreferredBlockBytes, widths[1]);
    }

    [Fact]
    public void FromSpeeds_FarApart_SlowestGetsAtLeastABlock() => Assert.Equal(4096, StripeWidths.FromSpeeds([10_000, 1])[1]);

    [Theory]
    [InlineData(8 << 20)]
    [InlineData(1 << 20)]
    [InlineData(4096)]
    public void FromSpeeds_SmallMembers_NoStripeIsWider(int memberBytes) =>
        Assert.InRange(StripeWidths.FromSpeeds([10_000, 1], memberBytes: memberBytes).Max(), 4096, memberBytes);

    [Property(MaxTest = 300)]
    public void FromSpeeds_UpToTenToOne_KeepsRatiosWithinTwoPercent(int seed)
    {
        var random = new Random(seed);
        double[] speeds = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => 0.7 + (6.3 * random.NextDouble()))];
        IReadOnlyList<int> widths = StripeWidths.FromSpeeds(speeds);

        Assert.All(widths, width => Assert.Equal(0, width % 4096));
        Assert.InRange(widths.Max(), DirectFileDevice.PreferredBlockBytes, 16 << 20);
        double perSpeed = widths.Max() / speeds.Max();
        Assert.All(widths.Zip(speeds), pair => Assert.InRange(pair.First / (pair.Second * perSpeed), 0.98, 1.02));
    }

    [Theory]
    [InlineData]
    [InlineData(1.0, 0.0)]
    [InlineData(1.0, -1.0)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity, 1.0)]
    public void FromSpeeds_NoSpeeds_Throws(params double[] speeds) => Assert.Throws<ArgumentException>(() => StripeWidths.FromSpeeds(speeds));
}
