using Offload.Storage.Devices;

namespace Offload.Storage.Memory;

/// <summary>
/// One piece of mapped memory, zeroed, that its owner cuts up himself: slots of different sizes that live as long as a run. Huge pages where the
/// system has them; pages count against the process only once they are touched.
/// </summary>
public sealed unsafe class MemoryRegion : IDisposable
{
    private readonly MappedRegion? _region;
    private readonly MemoryReservation? _reservation;
    private readonly List<IDisposable> _registrations = [];

    /// <param name="sizeBytes">A multiple of <see cref="SlotArena.AlignmentBytes"/>; zero is allowed.</param>
    /// <param name="name">What it is for, in messages.</param>
    /// <param name="limit">What it is reserved from; null: unlimited.</param>
    /// <exception cref="MemoryLimitException">The limit, or the system, has no such room.</exception>
    public MemoryRegion(long sizeBytes, string name, MemoryLimit? limit = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(sizeBytes % SlotArena.AlignmentBytes, 0, nameof(sizeBytes));
        SizeBytes = sizeBytes;
        _reservation = limit?.Reserve(sizeBytes, name);
        try
        {
            _region = sizeBytes > 0 ? new MappedRegion(sizeBytes, name, new SlotArenaOptions()) : null;
        }
        catch
        {
            _reservation?.Dispose();
            throw;
        }
    }

    /// <summary>Size.</summary>
    public long SizeBytes { get; }

    /// <summary>First byte, aligned to 4 KiB; null if the size is zero.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public byte* Address => _region is null ? null : _region.Address;

    /// <summary>Has a device pin the memory once instead of at every transfer, as long as it lives. Nothing depends on it.</summary>
    /// <param name="device">May be disposed before the region.</param>
    /// <returns>Whether it did.</returns>
    public bool RegisterWith(IBlockDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (_region is null || device.TryRegister(_region.Address, SizeBytes) is not { } registration)
        {
            return false;
        }

        _registrations.Add(registration);
        return true;
    }

    /// <summary>Frees the memory; idempotent. No transfer may use it any more.</summary>
    public void Dispose()
    {
        _registrations.ForEach(registration => registration.Dispose());
        _registrations.Clear();
        _region?.Dispose();
        _reservation?.Dispose();
    }
}
