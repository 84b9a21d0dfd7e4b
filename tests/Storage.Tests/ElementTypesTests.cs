namespace Offload.Storage.Tests;

public sealed class ElementTypesTests
{
    [Theory]
    [InlineData(ElementType.Bool, "BOOL", 1, false)]
    [InlineData(ElementType.U8, "U8", 1, false)]
    [InlineData(ElementType.I8, "I8", 1, false)]
    [InlineData(ElementType.U16, "U16", 2, false)]
    [InlineData(ElementType.I16, "I16", 2, false)]
    [InlineData(ElementType.U32, "U32", 4, false)]
    [InlineData(ElementType.I32, "I32", 4, false)]
    [InlineData(ElementType.U64, "U64", 8, false)]
    [InlineData(ElementType.I64, "I64", 8, false)]
    [InlineData(ElementType.F16, "F16", 2, true)]
    [InlineData(ElementType.BF16, "BF16", 2, true)]
    [InlineData(ElementType.F32, "F32", 4, true)]
    [InlineData(ElementType.F64, "F64", 8, true)]
    public void Format_EveryType_RoundTripsWithSize(ElementType type, string name, int sizeBytes, bool isFloatingPoint)
    {
        Assert.Equal(name, type.Format());
        Assert.True(ElementTypes.TryParse(name, out ElementType parsed));
        Assert.Equal(type, parsed);
        Assert.Equal(sizeBytes, type.SizeBytes());
        Assert.Equal(isFloatingPoint, type.IsFloatingPoint());
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("F8_E4M3")]
    [InlineData("")]
    [InlineData("0")]
    public void TryParse_OtherName_ReturnsFalse(string name) => Assert.False(ElementTypes.TryParse(name, out _));

    [Fact]
    public void SizeBytes_UndefinedValue_Throws() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ((ElementType)99).SizeBytes());
}
