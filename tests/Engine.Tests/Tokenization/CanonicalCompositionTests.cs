using FsCheck.Xunit;
using Offload.Engine.Tokenization;

namespace Offload.Engine.Tests.Tokenization;

public class CanonicalCompositionTests
{
    [Theory]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("\u212B", "\u00C5")]
    [InlineData("q\u0307\u0323", "q\u0323\u0307")]
    [InlineData("\u1E0B\u0323", "\u1E0D\u0307")]
    [InlineData("\u1112\u1161\u11AB", "\uD55C")]
    [InlineData("\uD558\u11AB", "\uD55C")]
    [InlineData("\u11A8", "\u11A8")]
    [InlineData("\u0958", "\u0915\u093C")]
    [InlineData("\uF900", "\u8C48")]
    [InlineData("\U0002F800", "\u4E3D")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\u0301e", "\u0301e")]
    [InlineData("a\u0328\u0301", "\u0105\u0301")]
    [InlineData("a\u0301\u0328", "\u0105\u0301")]
    [InlineData("\u0915\u093C\n\u0301", "\u0915\u093C\n\u0301")]
    [InlineData("\U0001109B\U000110BA", "\U0001109C")]
    public void Normalize_Text_IsNfc(string text, string expected)
    {
        Assert.Equal(expected, CanonicalComposition.Normalize(text));
    }

    [Fact]
    public void Normalize_MarksAfterUnicode9_KeepTheirOrder()
    {
        Assert.Equal("\u0301\u1DF9", CanonicalComposition.Normalize("\u0301\u1DF9"));
    }

    [Property(MaxTest = 300)]
    public void Normalize_Normalised_IsTheSame(int seed)
    {
        string once = CanonicalComposition.Normalize(RandomText.Create(seed));

        Assert.Equal(once, CanonicalComposition.Normalize(once));
    }

    [Property(MaxTest = 200)]
    public void Normalize_BesideTheQuickCheck_ChangesNothing(int seed)
    {
        // A suspect character at the end forces the full way through; it must leave the rest as the quick check would.
        string text = CanonicalComposition.Normalize(RandomText.Create(seed));

        Assert.Equal(text + "\nq\u0323\u0307", CanonicalComposition.Normalize(text + "\nq\u0307\u0323"));
    }
}
