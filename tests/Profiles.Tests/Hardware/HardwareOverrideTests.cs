using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Offload.Profiles.Hardware;

namespace Offload.Profiles.Tests.Hardware;

public sealed class HardwareOverrideTests
{
    private static readonly HardwareProfile Whole = HardwareProfiles.Find("rtx4090-2ssd");

    [Fact]
    public void Apply_SomeNumbers_ChangesThoseAlone()
    {
        HardwareProfile changed = HardwareOverride.Apply(Whole, ["gpu.memoryGiB=48", "SSD.readgbps = 20.5", "cpu.cores=64", "gpu.memoryGiB=32"]);

        Assert.Equal(Whole with { Gpu = Whole.Gpu with { MemoryGiB = 32 }, Ssd = Whole.Ssd! with { ReadGBps = 20.5 }, Cpu = Whole.Cpu with { Cores = 64 } }, changed);
    }

    [Fact]
    public void Apply_EmptyRightSide_TakesAnOptionalNumberOut() =>
        Assert.Null(HardwareOverride.Apply(Whole, ["cpu.memoryGBps="]).Cpu.MemoryGBps);

    [Fact]
    public void Apply_DrivesOfAProfileWithoutThem_AddsThem()
    {
        HardwareProfile changed = HardwareOverride.Apply(Whole with { Ssd = null }, ["ssd.readGBps=3", "ssd.writeGBps=2", "ssd.mixedReadGBps=1.5", "ssd.mixedWriteGBps=1"]);

        Assert.Equal(new SsdProfile { ReadGBps = 3, WriteGBps = 2, MixedReadGBps = 1.5, MixedWriteGBps = 1 }, changed.Ssd);
    }

    [Theory]
    [InlineData("gpu.memoryGiB", "expected name=number")]
    [InlineData("gpu.memoryGiB=1=2", "expected name=number")]
    [InlineData("gpu.memoryGB=24", "no number named 'gpu.memoryGB': expected one of gpu.memoryGiB, ")]
    [InlineData("name=x", "no number named 'name'")]
    [InlineData("gpu.memoryGiB=lots", "expected a number above zero, found 'lots'")]
    [InlineData("gpu.memoryGiB=0", "expected a number above zero, found '0'")]
    [InlineData("gpu.memoryGiB=-4", "expected a number above zero, found '-4'")]
    [InlineData("gpu.memoryGiB=1,5", "expected a number above zero, found '1,5'")]
    [InlineData("gpu.memoryGiB=1e999", "expected a number above zero")]
    [InlineData("cpu.cores=1.5", "expected a whole number, found '1.5'")]
    [InlineData("gpu.matmulTflops=", "matmulTflops")]
    public void Apply_WrongSetting_SaysWhich(string assignment, string expected) =>
        Assert.Contains(expected, Assert.Throws<UsageException>(() => HardwareOverride.Apply(Whole, [assignment])).Message, StringComparison.Ordinal);

    [Property]
    public Property Apply_AnyNumberUnderAnyName_ReadsBackAlone() => Prop.ForAll(
        Gen.Elements(HardwareOverride.Names.ToArray()).ToArbitrary(),
        Gen.Choose(1, 1_000_000).ToArbitrary(),
        (name, number) =>
        {
            HardwareProfile changed = HardwareOverride.Apply(Whole, [FormattableString.Invariant($"{name}={number}")]);
            HardwareProfile back = HardwareOverride.Apply(changed, [FormattableString.Invariant($"{name}={ValueOf(Whole, name)}")]);
            return ValueOf(changed, name) == number && back == Whole;
        });

    private static double ValueOf(HardwareProfile profile, string name)
    {
        object value = profile;
        foreach (string part in name.Split('.'))
        {
            value = value.GetType().GetProperty(char.ToUpperInvariant(part[0]) + part[1..])!.GetValue(value)!;
        }

        return Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture);
    }
}
