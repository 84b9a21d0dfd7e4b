using Offload.Profiles;
using Offload.Storage.Memory;

namespace Offload.Storage.Tests.Memory;

public sealed class MemoryLimitTests
{
    [Fact]
    public void Reserve_WithinLimit_IsHeldUntilDisposed()
    {
        var limit = new MemoryLimit(100);
        MemoryReservation first = limit.Reserve(60, "a");
        using (limit.Reserve(40, "b"))
        {
            Assert.Equal(100, limit.ReservedBytes);
        }

        first.Dispose();
        first.Dispose();

        Assert.Equal((0, 100), (limit.ReservedBytes, limit.HighWaterBytes));
        limit.Reserve(100, "c").Dispose();
    }

    [Fact]
    public void Reserve_BeyondLimit_NamesWhatHowMuchAndWhoHoldsTheRest()
    {
        var limit = new MemoryLimit(64 << 20, "CPU memory", "Raise --cpu-memory.");
        using MemoryReservation tiles = limit.Reserve(40 << 20, "tile slots");
        using MemoryReservation ring = limit.Reserve(4 << 20, "copy ring");
        using MemoryReservation moreTiles = limit.Reserve(10 << 20, "tile slots");

        var error = Assert.Throws<MemoryLimitException>(() => limit.Reserve(11 << 20, "gradients"));

        Assert.Equal(
            "CPU memory: 11.00 MiB for gradients do not fit: 10.00 MiB of the limit of 64.00 MiB are left; held: tile slots 50.00 MiB, copy ring 4.00 MiB",
            error.Message);
        Assert.Equal(("Raise --cpu-memory.", ExitCode.Infeasible), (error.Hint, error.ExitCode));
        Assert.Equal(54 << 20, limit.ReservedBytes);
    }

    [Fact]
    public void Reserve_NothingBesideSomething_IsGivenBackInAnyOrder()
    {
        var limit = new MemoryLimit(10);
        MemoryReservation nothing = limit.Reserve(0, "x");
        MemoryReservation something = limit.Reserve(5, "x");
        something.Dispose();

        Assert.EndsWith("nothing is held", Assert.Throws<MemoryLimitException>(() => limit.Reserve(11, "y")).Message, StringComparison.Ordinal);
        nothing.Dispose();
        Assert.Equal(0, limit.ReservedBytes);
    }

    [Fact]
    public void Reserve_ManyHolders_NamesTheLargest()
    {
        var limit = new MemoryLimit(100);
        MemoryReservation[] all = [.. Enumerable.Range(1, 8).Select(size => limit.Reserve(size, $"user {size}"))];

        var error = Assert.Throws<MemoryLimitException>(() => limit.Reserve(long.MaxValue, "too much"));

        Assert.EndsWith("held: user 8 8 bytes, user 7 7 bytes, user 6 6 bytes, user 5 5 bytes, user 4 4 bytes and 3 more", error.Message, StringComparison.Ordinal);
        Array.ForEach(all, reservation => reservation.Dispose());
        Assert.Contains("nothing is held", Assert.Throws<MemoryLimitException>(() => limit.Reserve(101, "x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reserve_ManyThreads_NeverBeyondTheLimitAndNothingIsLost()
    {
        const int limitBytes = 10;
        var limit = new MemoryLimit(limitBytes);
        int heldBytes = 0;
        int numRefused = 0;
        bool isExceeded = false;
        Thread[] threads = [.. Enumerable.Range(0, 16).Select(seed => new Thread(() =>
        {
            var random = new Random(seed);
            for (int round = 0; round < 500; round++)
            {
                int sizeBytes = random.Next(1, 6);
                try
                {
                    using MemoryReservation reservation = limit.Reserve(sizeBytes, $"thread {seed}");
                    isExceeded |= Interlocked.Add(ref heldBytes, sizeBytes) > limitBytes;
                    Thread.Yield();
                    Interlocked.Add(ref heldBytes, -sizeBytes);
                }
                catch (MemoryLimitException)
                {
                    Interlocked.Increment(ref numRefused);
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        Assert.False(isExceeded);
        Assert.InRange(limit.HighWaterBytes, 6, limitBytes);
        Assert.Equal(0, limit.ReservedBytes);
        Assert.InRange(numRefused, 0, 16 * 500 - 1);
    }
}
