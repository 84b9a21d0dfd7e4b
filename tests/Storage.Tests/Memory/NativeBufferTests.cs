using Offload.Storage.Memory;

namespace Offload.Storage.Tests.Memory;

public sealed class NativeBufferTests
{
    [Theory]
    [InlineData(0, 3)]
    [InlineData(2, 1)]
    [InlineData(-1, 1)]
    [InlineData(0, -1)]
    [InlineData(long.MaxValue, 1)]
    [InlineData(1L << 61, 1)] // 2^61 elements of 8 bytes are 2^64: nothing, as a long.
    public void AsSpan_OutsideTheBuffer_Throws(long offset, int count)
    {
        using var buffer = new NativeBuffer(2 * sizeof(long));

        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.AsSpan<long>(offset, count).Length);
        Assert.Equal(2, buffer.AsSpan<long>(0, 2).Length);
        Assert.Equal(0, buffer.AsSpan<long>(2, 0).Length);
    }
}
