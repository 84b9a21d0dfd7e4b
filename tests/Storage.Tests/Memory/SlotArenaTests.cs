using Offload.Storage.Memory;

namespace Offload.Storage.Tests.Memory;

public sealed unsafe class SlotArenaTests
{
    private const int SlotBytes = 4096;
    private static readonly SlotArenaOptions Poisoning = new() { PoisonsReturned = true };
    private static readonly SlotArenaOptions Plain = new() { PoisonsReturned = false };

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public void Rent_All_AreAlignedZeroAndApart()
    {
        using var arena = new SlotArena(3, 2 * SlotBytes, "test slots");
        Slot[] slots = [arena.Rent(Stop), arena.Rent(Stop), arena.Rent(Stop)];

        Assert.False(arena.TryRent(out Slot none));
        Assert.Equal(default, none);
        Assert.Equal((3, 3), (arena.OutstandingSlots, arena.HighWaterSlots));
        long[] addresses = [.. slots.Select(slot => (long)slot.Address).Order()];
        Assert.Equal([addresses[0], addresses[0] + (2 * SlotBytes), addresses[0] + (4 * SlotBytes)], addresses);
        Assert.Equal(0, addresses[0] % SlotArena.AlignmentBytes);
        Assert.Equal((long)arena.Region, addresses[0]);
        Assert.All(slots, slot => Assert.Equal(-1, slot.Bytes.IndexOfAnyExcept((byte)0)));
        Assert.All(slots, slot => Assert.Equal((2 * SlotBytes, arena), (slot.SizeBytes, slot.Arena)));
        Array.ForEach(slots, arena.Return);
        Assert.Equal((0, 3), (arena.OutstandingSlots, arena.HighWaterSlots));
    }

    [Theory]
    [InlineData(0, 4096)]
    [InlineData(1, 0)]
    [InlineData(1, 4095)]
    public void Constructor_BadSizes_Throws(int numSlots, int slotBytes) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new SlotArena(numSlots, slotBytes, "test slots"));

    [Fact]
    public void Return_Twice_Throws()
    {
        using var arena = new SlotArena(1, SlotBytes, "test slots");
        Slot slot = arena.Rent(Stop);
        arena.Return(slot);

        Assert.Contains("test slots: slot 0 was returned before", Assert.Throws<InvalidOperationException>(() => arena.Return(slot)).Message, StringComparison.Ordinal);
        Slot next = arena.Rent(Stop);
        Assert.Throws<InvalidOperationException>(() => arena.Return(slot)); // Rented again, by another: still not his.
        Assert.Throws<InvalidOperationException>(() => (nint)slot.Address);
        Assert.Equal(0, next.Index);
        arena.Return(next);
    }

    [Fact]
    public void Return_Foreign_Throws()
    {
        using var arena = new SlotArena(1, SlotBytes, "test slots");
        using var other = new SlotArena(1, SlotBytes, "other slots");
        Slot slot = other.Rent(Stop);

        Assert.Contains("'other slots'", Assert.Throws<ArgumentException>(() => arena.Return(slot)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => arena.Return(default));
        Assert.Throws<InvalidOperationException>(() => (nint)default(Slot).Address);
        other.Return(slot);
    }

    [Fact]
    public void Rent_WrittenAfterReturn_NamesSlotAndByte()
    {
        using var arena = new SlotArena(2, SlotBytes, "test slots", options: Poisoning);
        Slot other = arena.Rent(Stop);
        Slot slot = arena.Rent(Stop);
        byte* address = slot.Address;
        arena.Return(slot);
        Assert.Equal(0xA5, address[SlotBytes - 1]);
        address[1234] = 1;

        Assert.Equal("test slots: slot 1 was written to after its return, at byte 1234", Assert.Throws<InvalidOperationException>(() => arena.Rent(Stop)).Message);
        arena.Return(arena.Rent(Stop)); // Told once.
        arena.Return(other);
    }

    [Fact]
    public void Rent_WithoutPoison_FindsWhatWasLeft()
    {
        using var arena = new SlotArena(1, SlotBytes, "test slots", options: Plain);
        Slot slot = arena.Rent(Stop);
        slot.Bytes.Fill(3);
        arena.Return(slot);

        slot = arena.Rent(Stop);
        Assert.Equal(-1, slot.Bytes.IndexOfAnyExcept((byte)3));
        arena.Return(slot);
    }

    [Fact]
    public void Rent_NoneFree_WaitsAndServesInOrderOfArrival()
    {
        using var arena = new SlotArena(1, SlotBytes, "test slots");
        Slot held = arena.Rent(Stop);
        List<int> order = [];
        Thread[] threads = new Thread[5];
        for (int index = 0; index < threads.Length; index++)
        {
            int own = index;
            threads[index] = new Thread(() =>
            {
                Slot slot = arena.Rent(Stop);
                order.Add(own);
                arena.Return(slot);
            });
            threads[index].Start();
            WaitUntilWaiting(arena, index + 1);
        }

        Assert.Empty(order);
        arena.Return(held);
        Array.ForEach(threads, thread => Assert.True(thread.Join(TimeSpan.FromSeconds(20))));
        Assert.Equal([0, 1, 2, 3, 4], order);
        Assert.Equal(1, arena.HighWaterSlots);
    }

    [Fact]
    public void Rent_CancelledWhileWaiting_ThrowsAndLetsTheNextThrough()
    {
        using var arena = new SlotArena(1, SlotBytes, "test slots");
        using var cancellation = new CancellationTokenSource();
        Slot held = arena.Rent(Stop);
        Exception? error = null;
        bool isServed = false;
        var first = new Thread(() => error = Record.Exception(() => arena.Rent(cancellation.Token)));
        var second = new Thread(() =>
        {
            arena.Return(arena.Rent(Stop));
            isServed = true;
        });
        first.Start();
        WaitUntilWaiting(arena, 1);
        second.Start();
        WaitUntilWaiting(arena, 2);
        cancellation.Cancel();
        Assert.True(first.Join(TimeSpan.FromSeconds(20)));
        arena.Return(held);
        Assert.True(second.Join(TimeSpan.FromSeconds(20)));

        Assert.IsType<OperationCanceledException>(error);
        Assert.True(isServed);
    }

    [Fact]
    public void Rent_ManyThreads_NoSlotIsHeldTwiceAndAllAreServed()
    {
        using var arena = new SlotArena(3, SlotBytes, "test slots", options: Poisoning);
        int numBroken = 0;
        Thread[] threads = [.. Enumerable.Range(1, 8).Select(number => new Thread(() =>
        {
            for (int round = 0; round < 300; round++)
            {
                Slot slot = arena.Rent(Stop);
                slot.Bytes.Fill((byte)number);
                Thread.Yield();
                numBroken += slot.Bytes.IndexOfAnyExcept((byte)number) >= 0 ? 1 : 0;
                arena.Return(slot);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => Assert.True(thread.Join(TimeSpan.FromSeconds(60))));

        Assert.Equal((0, 0), (numBroken, arena.OutstandingSlots));
        Assert.InRange(arena.HighWaterSlots, 1, 3);
    }

    [Fact]
    public void Dispose_SlotsOutstanding_NamesThemAndFreesNothing()
    {
        var arena = new SlotArena(3, SlotBytes, "test slots");
        Slot first = arena.Rent(Stop);
        Slot second = arena.Rent(Stop);
        arena.Return(first);

        Assert.Equal("test slots: 1 of 3 slots are still rented: 1", Assert.Throws<InvalidOperationException>(arena.Dispose).Message);
        second.Bytes.Fill(1);
        Assert.Equal(1, second.Bytes[^1]);
        arena.Return(second);
        arena.Dispose();
        arena.Dispose();
        Assert.Throws<ObjectDisposedException>(() => arena.Rent(Stop));
    }

    [Fact]
    public void Constructor_Limit_IsReservedAsLongAsItLives()
    {
        var limit = new MemoryLimit(3 * SlotBytes);
        using (new SlotArena(3, SlotBytes, "test slots", limit))
        {
            var error = Assert.Throws<MemoryLimitException>(() => new SlotArena(1, SlotBytes, "more slots", limit));
            Assert.Contains("4096 bytes for more slots", error.Message, StringComparison.Ordinal);
            Assert.Contains("held: test slots 12288 bytes", error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(0, limit.ReservedBytes);
    }

    [Fact]
    public void Constructor_TooMuchForTheSystem_ThrowsAndReservesNothing()
    {
        var limit = new MemoryLimit(long.MaxValue);

        Assert.Throws<MemoryLimitException>(() => new SlotArena(int.MaxValue / SlotBytes, int.MaxValue - (SlotBytes - 1), "test slots", limit));
        Assert.Equal(0, limit.ReservedBytes);
    }

    [Fact]
    public void Constructor_HugePages_IsAlignedToThem()
    {
        using var arena = new SlotArena(2, 2 << 20, "test slots", options: new SlotArenaOptions { UsesHugePages = true });
        Slot slot = arena.Rent(Stop);

        Assert.Equal(0, (long)arena.Region % (2 << 20));
        slot.Bytes.Fill(1);
        arena.Return(slot);
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(64 << 20)]
    public void Constructor_Locked_IsSoOrSaysWhyNot(int slotBytes)
    {
        // 8 MiB are what ordinary users may lock: the second is refused them, and is locked for root.
        using var arena = new SlotArena(1, slotBytes, "test slots", options: new SlotArenaOptions { IsLocked = true });
        Slot slot = arena.Rent(Stop);
        slot.Bytes.Fill(1);
        arena.Return(slot);

        Assert.Equal(arena.IsLocked, arena.LockProblem is null);
        Assert.True(arena.IsLocked || arena.LockProblem!.StartsWith($"test slots: the system does not lock {slotBytes} bytes: ", StringComparison.Ordinal));
    }

    [Fact]
    public void Constructor_NotAskedToLock_IsNotLockedAndThatIsNoProblem()
    {
        using var arena = new SlotArena(1, SlotBytes, "test slots");

        Assert.Equal((false, null), (arena.IsLocked, arena.LockProblem));
    }

    [Fact]
    public void Rent_SteadyState_AllocatesNothing()
    {
        using var arena = new SlotArena(2, SlotBytes, "test slots");
        using var cancellation = new CancellationTokenSource();
        RentAndReturn(arena, 100, cancellation.Token);
        long before = GC.GetAllocatedBytesForCurrentThread();
        RentAndReturn(arena, 1000, cancellation.Token);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void RentAndReturn(SlotArena arena, int count, CancellationToken cancellation)
    {
        for (int round = 0; round < count; round++)
        {
            arena.Return(arena.Rent(cancellation));
        }
    }

    private static void WaitUntilWaiting(SlotArena arena, int count) =>
        Assert.True(SpinWait.SpinUntil(() => arena.NumWaiting == count, TimeSpan.FromSeconds(20)));
}
