using Offload.Profiles.Hardware;

namespace Offload.Profiles.Tests.Hardware;

public sealed class HardwareProfilesTests
{
    public static TheoryData<string> AllNames => [.. HardwareProfiles.Names];

    [Fact]
    public void Names_OfWhatComesAlong_AreAllCardsWithOneTwoAndFourDrives() => Assert.Equal(
        new[] { "a100", "h100", "rtx3090", "rtx4090", "rtx5090" }.SelectMany(card => new[] { 1, 2, 4 }.Select(drives => $"{card}-{drives}ssd")),
        HardwareProfiles.Names);

    [Theory]
    [MemberData(nameof(AllNames))]
    public void Find_EachName_IsAProfileOfThatNameWithOrderlyRates(string name)
    {
        HardwareProfile profile = HardwareProfiles.Find(name.ToUpperInvariant());

        Assert.Equal(name, profile.Name);
        Assert.NotNull(profile.Ssd?.Tbw);
        Assert.NotNull(profile.Ssd.CapacityGB);
        Assert.True(profile.Gpu.DuplexGBps <= profile.Gpu.H2dGBps && profile.Gpu.DuplexGBps <= profile.Gpu.D2hGBps);
        Assert.True(profile.Ssd.MixedReadGBps <= profile.Ssd.ReadGBps && profile.Ssd.MixedWriteGBps <= profile.Ssd.WriteGBps);
        Assert.True(profile.Gpu.AttentionBackwardTflops <= profile.Gpu.AttentionForwardTflops && profile.Gpu.AttentionForwardTflops < profile.Gpu.MatmulTflops);
        // The optimizer moves 26 bytes a parameter: it cannot be faster than memory.
        Assert.True(profile.Cpu.AdamGParamsPerSecond * 26 <= profile.Cpu.MemoryGBps * 1.05);
    }

    [Theory]
    [InlineData("rtx4090")]
    [InlineData("a100")]
    public void Find_TheSameCardWithMoreDrives_DiffersInItsDrivesAlone(string card)
    {
        HardwareProfile one = HardwareProfiles.Find($"{card}-1ssd");
        HardwareProfile four = HardwareProfiles.Find($"{card}-4ssd");

        Assert.Equal((one.Gpu, one.Cpu), (four.Gpu, four.Cpu));
        Assert.Equal(one.Ssd!.ReadGBps * 4, four.Ssd!.ReadGBps, 6);
        Assert.Equal(one.Ssd.Tbw!.Value * 4, four.Ssd.Tbw!.Value, 6);
    }

    [Fact]
    public void Find_UnknownName_ListsAll()
    {
        var error = Assert.Throws<UsageException>(() => HardwareProfiles.Find("rtx1"));

        Assert.Contains("'rtx1'", error.Message, StringComparison.Ordinal);
        Assert.All(HardwareProfiles.Names, name => Assert.Contains(name, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Load_FileOrName_TakesTheFileFirst()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, HardwareProfileFile.Format(HardwareProfiles.Find("h100-1ssd") with { Name = "mine" }));

            Assert.Equal("mine", HardwareProfiles.Load(path).Name);
            Assert.Equal("h100-1ssd", HardwareProfiles.Load("h100-1ssd").Name);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("nowhere/x.json", "nowhere/x.json: no such file")]
    [InlineData("x.json", "x.json: no such file")]
    [InlineData("x", "no hardware profile named 'x'")]
    public void Load_Neither_SaysSo(string text, string expected) =>
        Assert.StartsWith(expected, Assert.Throws<UsageException>(() => HardwareProfiles.Load(text)).Message, StringComparison.Ordinal);
}
