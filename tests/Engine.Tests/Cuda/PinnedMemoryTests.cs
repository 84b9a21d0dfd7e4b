using Offload.Engine.Cuda;

namespace Offload.Engine.Tests.Cuda;

public sealed unsafe class PinnedMemoryTests
{
    private const long PieceBytes = PinnedMemory.PieceBytes;

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(4096, 0, 0)]
    [InlineData(4096, 1, 1)]
    [InlineData(0, PieceBytes, 1)]
    [InlineData(0, PieceBytes + 1, 2)]
    [InlineData(PieceBytes - 4096, 4096, 1)]
    [InlineData(PieceBytes - 4096, 4097, 2)]
    [InlineData(5 * PieceBytes - 4096, 2 * PieceBytes, 3)]
    public void PieceStarts_AnyRange_EndWhereCopiesAreCut(long address, long sizeBytes, int expectedCount)
    {
        nint[] starts = PinnedMemory.PieceStarts((byte*)address, sizeBytes);

        Assert.Equal(expectedCount, starts.Length);
        Assert.All(starts.Skip(1), start => Assert.Equal(0, start % PieceBytes));
        Assert.All(starts.Take(1), start => Assert.Equal(address, start));
        Assert.All(starts, start => Assert.InRange(PinnedMemory.ToPieceEnd((byte*)start), 1, PieceBytes));
    }
}
