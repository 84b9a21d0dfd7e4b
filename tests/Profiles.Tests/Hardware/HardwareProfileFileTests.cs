using System.Text;
using Offload.Profiles.Hardware;

namespace Offload.Profiles.Tests.Hardware;

public sealed class HardwareProfileFileTests
{
    private const string Whole =
        """
        {
          "name": "bench",
          "gpu": { "memoryGiB": 24, "matmulTflops": 165, "h2dGBps": 25, "d2hGBps": 25, "duplexGBps": 21 },
          "cpu": { "memoryGiB": 768, "adamGParamsPerSecond": 6, "cores": 52 },
          "ssd": { "readGBps": 32, "writeGBps": 27, "mixedReadGBps": 11, "mixedWriteGBps": 9.7, "tbw": 84000 }
        }
        """;

    [Fact]
    public void Parse_WholeProfile_HasTheNumbersUnderTheirNames()
    {
        HardwareProfile profile = Parse(Whole);

        Assert.Equal(("bench", 24.0, 165.0, 21.0), (profile.Name, profile.Gpu.MemoryGiB, profile.Gpu.MatmulTflops, profile.Gpu.DuplexGBps));
        Assert.Equal((768.0, 6.0, 52, (double?)null), (profile.Cpu.MemoryGiB, profile.Cpu.AdamGParamsPerSecond, profile.Cpu.Cores, profile.Cpu.MemoryGBps));
        Assert.Equal((32.0, 9.7, 84000.0), (profile.Ssd!.ReadGBps, profile.Ssd.MixedWriteGBps, profile.Ssd.Tbw));
    }

    [Fact]
    public void Format_AnyProfile_ParsesToTheSame() => Assert.Equal(Parse(Whole), HardwareProfileFile.Parse(HardwareProfileFile.Format(Parse(Whole)), "copy"));

    [Fact]
    public void FormatFragment_OfDrives_HasTheProfilesNames() => Assert.Equal(
        """{"ssd":{"readGBps":3,"writeGBps":2,"mixedReadGBps":1.5,"mixedWriteGBps":1}}""",
        Encoding.UTF8.GetString(HardwareProfileFile.FormatFragment(new SsdProfile { ReadGBps = 3, WriteGBps = 2, MixedReadGBps = 1.5, MixedWriteGBps = 1 }))
            .Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));

    [Theory]
    [InlineData("\"readGBps\"", "\"readGbps\"", "readGbps")]
    [InlineData("\"name\": \"bench\",", "", "name")]
    [InlineData("\"writeGBps\": 27", "\"writeGBps\": 0", "ssd.writeGBps: expected a number above zero, found 0")]
    [InlineData("\"matmulTflops\": 165", "\"matmulTflops\": -1.5", "gpu.matmulTflops: expected a number above zero, found -1.5")]
    [InlineData("\"cores\": 52", "\"cores\": 0", "cpu.cores")]
    [InlineData("\"memoryGiB\": 24,", "\"memoryGiB\": 24, \"memoryGiB\": 25,", "memoryGiB")]
    [InlineData("\"memoryGiB\": 768,", "\"memoryGiB\": \"768\",", "cpu.memoryGiB")]
    [InlineData("{ \"memoryGiB\": 24", "[ \"memoryGiB\": 24", "gpu")]
    public void Parse_WrongNameOrNumber_SaysWhich(string before, string after, string expected)
    {
        var error = Assert.Throws<UsageException>(() => Parse(Whole.Replace(before, after, StringComparison.Ordinal)));

        Assert.StartsWith("file.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("[]")]
    public void Parse_NoObject_IsRefused(string json) => Assert.Throws<UsageException>(() => Parse(json));

    private static HardwareProfile Parse(string json) => HardwareProfileFile.Parse(Encoding.UTF8.GetBytes(json), "file.json");
}
