using FsCheck.Xunit;
using Offload.Profiles;

namespace Offload.Cli.Tests;

public sealed class SizesTests
{
    [Theory]
    [InlineData("12GiB", 12L << 30)]
    [InlineData("64MiB", 64L << 20)]
    [InlineData("1.5 KiB", 1536)]
    [InlineData("2TB", 2_000_000_000_000)]
    [InlineData("3kb", 3000)]
    [InlineData("7B", 7)]
    [InlineData("1tib", 1L << 40)]
    public void Parse_Size_GivesBytes(string text, long sizeBytes) => Assert.Equal(sizeBytes, Sizes.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("GiB")]
    [InlineData("-1GiB")]
    [InlineData("0MiB")]
    [InlineData("1e3B")]
    [InlineData("12GiBs")]
    [InlineData("9999999TiB")]
    public void Parse_NoSize_IsAUsageError(string text)
    {
        var error = Assert.Throws<UsageException>(() => Sizes.Parse(text));

        Assert.Contains($"'{text}'", error.Message);
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(12L << 30, "12 GiB")]
    public void Format_Bytes_UsesTheLargestUnit(long sizeBytes, string text) => Assert.Equal(text, Sizes.Format(sizeBytes));

    [Property(MaxTest = 200)]
    public bool Parse_WhatFormatWrote_IsWithinItsRounding(FsCheck.PositiveInt value, byte shift)
    {
        long sizeBytes = (long)value.Get << (shift % 20);
        return Math.Abs(Sizes.Parse(Sizes.Format(sizeBytes)) - sizeBytes) <= 0.005 * sizeBytes + 1;
    }
}
