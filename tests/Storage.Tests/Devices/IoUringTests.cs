using Microsoft.Win32.SafeHandles;
using Offload.Storage.Interop;

namespace Offload.Storage.Tests.Devices;

public sealed unsafe class IoUringTests
{
    private const int SizeBytes = 5000;

    [Fact]
    public void TryCreate_AnySystem_GivesARingOrAReason()
    {
        using IoUring? ring = IoUring.TryCreate(4, out string? problem);

        Assert.Equal(ring is null, problem is not null);
    }

    [Fact]
    public void Reads_MoreThanTheQueuesHold_GiveTheFilesBytes()
    {
        using IoUring ring = Create(4);
        using var folder = new TemporaryFolder();
        byte[] written = [.. Enumerable.Range(0, SizeBytes).Select(i => (byte)(i * 7))];
        File.WriteAllBytes(folder["x"], written);
        using SafeFileHandle file = File.OpenHandle(folder["x"]);
        byte[] read = new byte[SizeBytes];
        fixed (byte* destination = read)
        {
            for (ulong round = 0; round < 50; round++)
            {
                Array.Clear(read);
                ring.Push(IoUringOperation.Read, (int)file.DangerousGetHandle(), 0, destination, SizeBytes, round);
                Assert.Equal(0, ring.Submit());
                Assert.Equal((round, SizeBytes), Take(ring));
                Assert.Equal(written, read);
            }
        }

        Assert.False(ring.TryTake(out _, out _));
    }

    [Fact]
    public void Read_DescriptorThatIsNone_ResultIsTheErrno()
    {
        using IoUring ring = Create(4);
        byte[] read = new byte[SizeBytes];
        fixed (byte* destination = read)
        {
            ring.Push(IoUringOperation.Read, -1, 0, destination, SizeBytes, 3);
            Assert.Equal(0, ring.Submit());
        }

        Assert.Equal((3UL, -9), Take(ring));
    }

    [Fact]
    public void TryTakeBack_BeforeSubmission_GivesTheLastPushedFirst()
    {
        using IoUring ring = Create(4);
        for (ulong i = 0; i < 3; i++)
        {
            ring.Push(IoUringOperation.Nop, -1, 0, null, 0, i);
        }

        Assert.True(ring.TryTakeBack(out ulong last));
        Assert.True(ring.TryTakeBack(out ulong middle));
        Assert.Equal((2UL, 1UL), (last, middle));

        Assert.Equal(0, ring.Submit());
        Assert.Equal((0UL, 0), Take(ring));
        Assert.False(ring.TryTakeBack(out _));
        Assert.False(ring.HasCompletion);
    }

    private static IoUring Create(int numEntries)
    {
        IoUring? ring = IoUring.TryCreate(numEntries, out string? problem);
        Assert.SkipWhen(ring is null, $"io_uring: {problem}");
        return ring;
    }

    private static (ulong UserData, int Result) Take(IoUring ring)
    {
        ulong userData;
        int result;
        while (!ring.TryTake(out userData, out result))
        {
            Assert.Contains(ring.Wait(), (int[])[0, Libc.Eintr]);
        }

        return (userData, result);
    }
}
