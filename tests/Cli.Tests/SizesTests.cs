using FsCheck.Xunit;

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
    public void TryParse_Size_GivesBytes(string text, long sizeBytes)
    {
        Assert.True(Sizes.TryParse(text, out long found));
        Assert.Equal(sizeBytes, found);
    }

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("GiB")]
    [InlineData("-1GiB")]
    [InlineData("0MiB")]
    [InlineData("1e3B")]
    [InlineData("12GiBs")]
    [InlineData("9999999TiB")]
    public void TryParse_NoSize_IsFalse(string text) => Assert.False(Sizes.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(12L << 30, "12 GiB")]
    public void Format_Bytes_UsesTheLargestUnit(long sizeBytes, string text) => Assert.Equal(text, Sizes.Format(sizeBytes));

    [Property(MaxTest = 200)]
    public bool TryParse_WhatFormatWrote_IsWithinItsRounding(FsCheck.PositiveInt value, byte shift)
    {
        long sizeBytes = (long)value.Get << (shift % 20);
        return Sizes.TryParse(Sizes.Format(sizeBytes), out long found) && Math.Abs(found - sizeBytes) <= 0.005 * sizeBytes + 1;
    }
}
