using Offload.Storage.Devices;
using Offload.Storage.Files;
using Offload.Storage.Interop;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>The open files of a store, in the order of its members. Owned until they are given away as one device.</summary>
internal sealed unsafe class StoreMembers : IDisposable
{
    private readonly List<Member> _members;
    private bool _isGivenAway;

    private StoreMembers(List<Member> members)
    {
        _members = members;
    }

    /// <summary>The store to which all of them belong.</summary>
    public UInt128 StoreId => _members[0].Label.StoreId;

    /// <summary>Their paths.</summary>
    public IReadOnlyList<string> Paths => [.. _members.Select(member => member.File.Path)];

    /// <summary>Their sizes together.</summary>
    public long SizeBytes => _members.Sum(member => member.File.SizeBytes);

    /// <summary>Lines about labels of which one copy is damaged.</summary>
    public IReadOnlyList<string> Notes => [.. _members.Select(member => member.Damage?.Note).OfType<string>()];

    /// <summary>Opens files and writes their labels. Files are as long as the data and a label.</summary>
    /// <exception cref="StorageException">The system refused, or another process uses or has replaced one.</exception>
    public static StoreMembers Label(IReadOnlyList<string> paths, IReadOnlyList<long> fileBytes, UInt128 storeId, IReadOnlyList<int> stripeBytes, StoreFilesOptions options)
    {
        var members = new StoreMembers([]);
        try
        {
            for (int index = 0; index < paths.Count; index++)
            {
                members.Open(paths[index], options, isLocked: true, file => file.SizeBytes == fileBytes[index]
                    ? new StoreLabel(storeId, index, file.SizeBytes, stripeBytes)
                    : throw Replaced(file.Path));
                members._members[index].WriteLabel(copy: 0);
                members._members[index].WriteLabel(copy: 1);
            }

            return members;
        }
        catch
        {
            members.Dispose();
            throw;
        }
    }

    /// <summary>Opens the files of a store, in any order.</summary>
    /// <exception cref="StoreMismatchException">They are not all files of one store, or some are missing.</exception>
    /// <exception cref="StorageException">The system refused, or another process uses them.</exception>
    public static StoreMembers Open(IReadOnlyList<string> paths, StoreFilesOptions options, bool isLocked)
    {
        var members = new StoreMembers([]);
        try
        {
            foreach (string path in paths)
            {
                members.Open(path, options, isLocked, label: null);
            }

            members.Sort();
            return members;
        }
        catch
        {
            members.Dispose();
            throw;
        }
    }

    /// <summary>Gives the files away as one device, which owns them.</summary>
    public IBlockDevice ToDevice()
    {
        IBlockDevice device = _members.Count == 1
            ? _members[0].Device
            : new StripedDevice([.. _members.Select(member => member.Device)], _members[0].Label.StripeBytes);
        _isGivenAway = true;
        return device;
    }

    /// <summary>Writes damaged copies of labels anew, without a flush.</summary>
    /// <returns>Which ones, in lines.</returns>
    public IReadOnlyList<string> Mend()
    {
        foreach (Member member in _members)
        {
            if (member.Damage is { } damage)
            {
                member.WriteLabel(damage.Copy);
            }
        }

        return Notes;
    }

    /// <summary>Gives every file its final name, where it has not got it, durably.</summary>
    /// <exception cref="StorageException">The system refused.</exception>
    public void Rename(string suffix)
    {
        foreach (Member member in _members.Where(member => member.File.Path.EndsWith(suffix, StringComparison.Ordinal)))
        {
            string path = member.File.Path[..^suffix.Length];
            try
            {
                File.Move(member.File.Path, path);
            }
            catch (Exception error) when (IoErrors.IsIoError(error))
            {
                throw IoErrors.Wrap(member.File.Path, $"rename to {Path.GetFileName(path)}", error);
            }

            AtomicFile.SyncFolder(Path.GetDirectoryName(path)!);
            member.File.Renamed(path);
        }
    }

    /// <summary>Closes the files, unless they were given away.</summary>
    public void Dispose()
    {
        if (!_isGivenAway)
        {
            _members.ForEach(member => member.Device.Dispose());
        }
    }

    private void Open(string path, StoreFilesOptions options, bool isLocked, Func<DirectFileDevice, StoreLabel>? label)
    {
        DirectFileDevice file = DirectFileDevice.Open(path, new DirectFileOptions
        {
            Engine = options.Engine,
            QueueDepth = options.QueueDepth,
            ExclusiveLock = isLocked,
            OnWarning = options.Store.Warn,
        });
        IBlockDevice device = file;
        try
        {
            if (isLocked)
            {
                RequireStillThere(file);
            }

            device = options.Wrap?.Invoke(file) ?? file;
            LabelDamage? damage = null;
            _members.Add(new Member(file, device, label?.Invoke(file) ?? ReadLabel(device, out damage), damage));
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Between the opening and the locking of a file another process, which had the lock, may have removed or renamed it. From here on nobody does,
    /// for that takes the lock.
    /// </summary>
    /// <exception cref="StorageException">The file has another name, or none.</exception>
    internal static void RequireStillThere(DirectFileDevice file)
    {
        if (Libc.IdentityOf(file.Descriptor) != Libc.IdentityOf(file.Path))
        {
            throw Replaced(file.Path);
        }
    }

    private static StorageException Replaced(string path) =>
        new(path, "lock", "another process has renamed, removed or replaced this file just now", "Wait until it has ended, or use another folder.");

    private static StoreLabel ReadLabel(IBlockDevice device, out LabelDamage? damage)
    {
        if (device.SizeBytes < StoreLabel.SizeBytes || device.SizeBytes % StoreLabel.CopyBytes != 0)
        {
            throw new StoreMismatchException(device.Path, $"not a file of a state store, or truncated: expected a multiple of {StoreLabel.CopyBytes} bytes, found {device.SizeBytes}");
        }

        using var buffer = new NativeBuffer(StoreLabel.SizeBytes);
        var errors = new StorageException?[2];
        for (int copy = 0; copy < errors.Length; copy++)
        {
            errors[copy] = DeviceIo.TryRead(device, StoreLabel.OffsetBytes(device.SizeBytes, copy), (byte*)buffer.Address + (copy * StoreLabel.CopyBytes), StoreLabel.CopyBytes);
        }

        ReadOnlySpan<byte> copies = buffer.AsSpan<byte>(0, StoreLabel.SizeBytes);
        if ((errors[0] ?? errors[1]) is { } error && StoreLabel.TryRead(copies, out _, out _) is null)
        {
            throw error;
        }

        StoreLabel label = StoreLabel.Read(device.Path, copies, out int damaged);
        damage = damaged < 0 ? null : new LabelDamage(damaged, $"{device.Path}: {DeviceIo.Describe(damaged, "the file's label", errors[damaged])}; the other copy is used");
        return label.FileBytes == device.SizeBytes
            ? label
            : throw new StoreMismatchException(device.Path, $"expected a file of {label.FileBytes} bytes, as its label says, found {device.SizeBytes}");
    }

    private void Sort()
    {
        int[] order = MemberOrder.Of([.. _members.Select(member => new MemberOrder.Labelled(member.File.Path, member.Label))]);
        Member[] sorted = [.. order.Select(index => _members[index])];
        _members.Clear();
        _members.AddRange(sorted);
    }

    /// <param name="Copy">The one that is damaged.</param>
    /// <param name="Note">A line about it.</param>
    private sealed record LabelDamage(int Copy, string Note);

    private sealed record Member(DirectFileDevice File, IBlockDevice Device, StoreLabel Label, LabelDamage? Damage)
    {
        public void WriteLabel(int copy)
        {
            using var buffer = new NativeBuffer(StoreLabel.SizeBytes);
            Label.Write(buffer.AsSpan<byte>(0, StoreLabel.SizeBytes));
            DeviceIo.Transfer(Device, BlockOperation.Write, StoreLabel.OffsetBytes(Device.SizeBytes, copy), (byte*)buffer.Address, StoreLabel.CopyBytes);
        }
    }
}
