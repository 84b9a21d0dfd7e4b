using System.Runtime.ExceptionServices;

namespace Offload.Storage.Devices;

/// <summary>
/// Several devices as one, as fast as all together (RAID-0): bytes are dealt out in rounds, to each member a stripe as wide as its speed allows. A
/// request is split where stripes end and completes once, when its last part is done; the first error is reported, with the member's path and
/// the offset there. A read or write of the whole range is sequential on every member, in parts of a stripe each. In steady state nothing is
/// allocated. It owns its members and disposes them.
/// </summary>
public sealed class StripedDevice : IBlockDevice
{
    private readonly IBlockDevice[] _members;
    private readonly FlushThread[] _flushThreads; // Of all members but the first, which the caller's thread flushes.
    private readonly StripeLayout _layout;
    private readonly object _gate = new();
    private readonly object _flushGate = new();
    private readonly Stack<StripedTransfer> _spareTransfers = new();
    private readonly Stack<StripedPart> _spareParts = new();
    private bool _isDisposed;

    /// <param name="members">The devices; owned from now on.</param>
    /// <param name="stripeBytes">Width of each member's stripes, a multiple of the largest alignment; see <see cref="StripeWidths"/>. Bytes written
    /// with one list are found again only with the same.</param>
    /// <exception cref="ArgumentException">No members, not a width for each, a width that is not aligned, or a member without room for one stripe. The members are still the caller's.</exception>
    public StripedDevice(IReadOnlyList<IBlockDevice> members, IReadOnlyList<int> stripeBytes)
    {
        ArgumentNullException.ThrowIfNull(members);
        ArgumentNullException.ThrowIfNull(stripeBytes);
        if (members.Count == 0 || members.Count != stripeBytes.Count)
        {
            throw new ArgumentException($"expected a width for each member and at least one, found {members.Count} members and {stripeBytes.Count} widths", nameof(stripeBytes));
        }

        AlignmentBytes = members.Max(member => member.AlignmentBytes);
        if (stripeBytes.Any(width => width <= 0 || width % AlignmentBytes != 0))
        {
            throw new ArgumentException($"expected multiples of {AlignmentBytes}, found widths [{string.Join(", ", stripeBytes)}]", nameof(stripeBytes));
        }

        _members = [.. members];
        _layout = new StripeLayout(stripeBytes, [.. members.Select(member => member.SizeBytes)]);
        if (_layout.SizeBytes == 0)
        {
            throw new ArgumentException("a member has no room for one stripe", nameof(members));
        }

        _flushThreads = [.. members.Skip(1).Select(member => new FlushThread(member))];
    }

    /// <summary>All members' names, as they are now.</summary>
    public string Path => string.Join(" + ", _members.Select(member => member.Path));

    /// <summary>As many whole rounds as every member has room for.</summary>
    public long SizeBytes => _layout.SizeBytes;

    /// <summary>The largest of the members.</summary>
    public int AlignmentBytes { get; }

    /// <summary>The sum of the members: a flush counts once for each.</summary>
    public DeviceTraffic Traffic
    {
        get
        {
            var sum = default(DeviceTraffic);
            foreach (IBlockDevice member in _members)
            {
                DeviceTraffic traffic = member.Traffic;
                sum = new DeviceTraffic(sum.BytesRead + traffic.BytesRead, sum.BytesWritten + traffic.BytesWritten, sum.Flushes + traffic.Flushes);
            }

            return sum;
        }
    }

    /// <inheritdoc/>
    public void Submit(BlockRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        DeviceRange.Check(request, SizeBytes, AlignmentBytes);
        StripedPart? part;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            part = SplitLocked(request);
        }

        while (part is not null)
        {
            // Read before: once submitted, the part is its device's, and then back in the pool.
            var next = (StripedPart?)part.Next;
            part.Next = null;
            try
            {
                _members[part.Member].Submit(part);
            }
#pragma warning disable CA1031 // It comes out of the completion: the parts in flight still have the memory, and the last one tells.
            catch (Exception error)
#pragma warning restore CA1031
            {
                part.Complete(error);
            }

            part = next;
        }
    }

    /// <inheritdoc/>
    /// <remarks>Pinned for every member that can; each accounts for it.</remarks>
    public unsafe IDisposable? TryRegister(void* address, long sizeBytes)
    {
        List<IDisposable> registrations = [];
        foreach (IBlockDevice member in _members)
        {
            if (member.TryRegister(address, sizeBytes) is { } registration)
            {
                registrations.Add(registration);
            }
        }

        return registrations.Count == 0 ? null : new Registrations(registrations);
    }

    /// <summary>Flushes all members at the same time: the first on this thread, each other one on a thread of its own. Blocks until all have ended.</summary>
    /// <exception cref="StorageException">A member failed; of several the first in their order.</exception>
    public void Flush()
    {
        lock (_flushGate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            foreach (FlushThread thread in _flushThreads)
            {
                thread.Begin();
            }

            Exception? error = TryFlush(_members[0]);
            foreach (FlushThread thread in _flushThreads)
            {
                Exception? other = thread.Finish();
                error ??= other;
            }

            if (error is not null)
            {
                ExceptionDispatchInfo.Throw(error);
            }
        }
    }

    /// <summary>Waits for what is in flight and disposes the members, all of them even if one throws; the first error comes out.</summary>
    public void Dispose()
    {
        lock (_flushGate)
        {
            lock (_gate)
            {
                if (_isDisposed)
                {
                    return;
                }

                _isDisposed = true;
            }

            Array.ForEach(_flushThreads, thread => thread.Dispose());
            Exception? first = null;
            foreach (IBlockDevice member in _members)
            {
                try
                {
                    member.Dispose();
                }
#pragma warning disable CA1031 // It is thrown once the others are disposed, whose files would stay locked.
                catch (Exception error)
#pragma warning restore CA1031
                {
                    first ??= error;
                }
            }

            if (first is not null)
            {
                ExceptionDispatchInfo.Throw(first);
            }
        }
    }

    /// <summary>Flushes a device; returns what it threw.</summary>
    internal static Exception? TryFlush(IBlockDevice device)
    {
        try
        {
            device.Flush();
            return null;
        }
#pragma warning disable CA1031 // Whatever it is, it goes to the thread that asked for the flush.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return error;
        }
    }

    /// <summary>A part is done: counts it, and tells the caller after the last.</summary>
    internal void EndPart(StripedPart part, Exception? error)
    {
        BlockRequest outer;
        lock (_gate)
        {
            StripedTransfer transfer = part.Transfer!;
            part.Transfer = null;
            _spareParts.Push(part);
            if (transfer.Error is null or OperationCanceledException)
            {
                transfer.Error = error ?? transfer.Error; // An error of a disk says more than that the rest was called off.
            }

            if (--transfer.NumPending > 0)
            {
                return;
            }

            outer = transfer.Outer!;
            error = transfer.Error;
            transfer.Outer = null;
            transfer.Error = null;
            _spareTransfers.Push(transfer);
        }

        outer.Complete(error);
    }

    /// <summary>Makes the parts of a request, linked in order.</summary>
    private unsafe StripedPart SplitLocked(BlockRequest request)
    {
        StripedTransfer transfer = _spareTransfers.TryPop(out StripedTransfer? spareTransfer) ? spareTransfer : new StripedTransfer();
        transfer.Outer = request;
        transfer.NumPending = 0;
        StripedPart? first = null;
        StripedPart? last = null;
        int doneBytes = 0;
        while (doneBytes < request.SizeBytes)
        {
            long runBytes = _layout.Locate(request.OffsetBytes + doneBytes, out int member, out long memberOffsetBytes);
            int sizeBytes = (int)Math.Min(runBytes, request.SizeBytes - doneBytes);
            StripedPart part = _spareParts.TryPop(out StripedPart? sparePart) ? sparePart : new StripedPart(this);
            part.Prepare(request.Operation, memberOffsetBytes, request.Address + doneBytes, sizeBytes, request.Priority);
            part.Transfer = transfer;
            part.Member = member;
            part.Next = null;
            if (last is null)
            {
                first = part;
            }
            else
            {
                last.Next = part;
            }

            last = part;
            transfer.NumPending++;
            doneBytes += sizeBytes;
        }

        return first!;
    }

    private sealed class Registrations(List<IDisposable> all) : IDisposable
    {
        public void Dispose() => all.ForEach(registration => registration.Dispose());
    }
}
