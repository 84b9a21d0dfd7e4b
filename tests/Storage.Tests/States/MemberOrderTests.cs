using Offload.Storage.States;

namespace Offload.Storage.Tests.States;

public sealed class MemberOrderTests
{
    [Fact]
    public void Of_MembersInAnyOrder_SortsThem() =>
        Assert.Equal([2, 0, 1], MemberOrder.Of([Member(1, 10), Member(2, 10), Member(0, 10)]));

    [Fact]
    public void Of_MoreFilesThanMembers_NamesTheCopy()
    {
        Refuses([Member(0, 10), Member(1, 10), Member(2, 10), Member(1, 10)], "the file is a copy of");
        Refuses([Single(0), Single(1)], "the file is a copy of");
    }

    [Fact]
    public void Of_MissingMember_IsNamed() => Refuses([Member(0, 10), Member(2, 10)], "the store has 3 files, 2 were given; file 2 is missing");

    [Theory]
    [InlineData(9, 0)]
    [InlineData(0, 0)]
    [InlineData(10, 4096)]
    public void Of_SizesThatDoNotGoTogether_IsRefused(int numRounds, int moreBytes) =>
        Refuses([Member(0, 10), Member(1, 10), Member(2, numRounds, moreBytes)], "not one that this version writes");

    [Fact]
    public void Of_StripesWiderThanTheFiles_IsRefused()
    {
        int[] widths = [1 << 30, 1 << 30];
        Refuses(
            [.. Enumerable.Range(0, 2).Select(member => new MemberOrder.Labelled($"file {member}", new StoreLabel(5, member, 1 << 20, widths)))],
            "not one that this version writes");
    }

    private static void Refuses(MemberOrder.Labelled[] files, string expected) =>
        Assert.Contains(expected, Assert.Throws<StoreMismatchException>(() => MemberOrder.Of(files)).Message, StringComparison.Ordinal);

    private static MemberOrder.Labelled Member(int member, int numRounds, int moreBytes = 0)
    {
        int[] widths = [4096, 8192, 12288];
        return new MemberOrder.Labelled($"file {member}", new StoreLabel(5, member, ((long)numRounds * widths[member]) + StoreLabel.SizeBytes + moreBytes, widths));
    }

    private static MemberOrder.Labelled Single(int place) => new($"place {place}", new StoreLabel(5, 0, 1 << 20, [1 << 20]));
}
