using Offload.Storage.Devices;
using Offload.Storage.Files;
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
    public IReadOnlyList<string> Notes =>
        [.. _members.Where(member => member.DamagedCopy >= 0).Select(member => $"{member.File.Path}: copy {member.DamagedCopy} of the file's label is damaged; the other copy is used")];

    /// <summary>Opens files and writes their labels. Files are as long as the data and a label.</summary>
    public static StoreMembers Label(IReadOnlyList<string> paths, UInt128 storeId, IReadOnlyList<int> stripeBytes, StoreFilesOptions options)
    {
        var members = new StoreMembers([]);
        try
        {
            for (int index = 0; index < paths.Count; index++)
            {
                members.Open(paths[index], options, isLocked: true, file => new StoreLabel(storeId, index, file.SizeBytes, stripeBytes));
                members._members[index].WriteLabel();
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

            members.CheckAndSort();
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

    /// <summary>Writes damaged labels anew, without a flush.</summary>
    /// <returns>Which ones, in lines.</returns>
    public IReadOnlyList<string> Mend()
    {
        foreach (Member member in _members.Where(member => member.DamagedCopy >= 0))
        {
            member.WriteLabel();
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
            device = options.Wrap?.Invoke(file) ?? file;
            int damagedCopy = -1;
            _members.Add(new Member(file, device, label?.Invoke(file) ?? ReadLabel(device, out damagedCopy), damagedCopy));
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    private static StoreLabel ReadLabel(IBlockDevice device, out int damagedCopy)
    {
        if (device.SizeBytes < StoreLabel.SizeBytes || device.SizeBytes % StoreLabel.CopyBytes != 0)
        {
            throw new StoreMismatchException(device.Path, $"not a file of a state store, or truncated: expected a multiple of {StoreLabel.CopyBytes} bytes, found {device.SizeBytes}");
        }

        using var buffer = new NativeBuffer(StoreLabel.SizeBytes);
        DeviceIo.Transfer(device, BlockOperation.Read, device.SizeBytes - StoreLabel.SizeBytes, (byte*)buffer.Address, StoreLabel.SizeBytes);
        StoreLabel label = StoreLabel.Read(device.Path, buffer.AsSpan<byte>(0, StoreLabel.SizeBytes), out damagedCopy);
        return label.FileBytes == device.SizeBytes
            ? label
            : throw new StoreMismatchException(device.Path, $"expected a file of {label.FileBytes} bytes, as its label says, found {device.SizeBytes}");
    }

    private void CheckAndSort()
    {
        Member first = _members[0];
        foreach (Member member in _members)
        {
            if (member.Label.StoreId != first.Label.StoreId || !member.Label.StripeBytes.SequenceEqual(first.Label.StripeBytes))
            {
                throw new StoreMismatchException(member.File.Path, $"the file belongs to another store than {first.File.Path}", "Name the folders that the store was made with.");
            }
        }

        _members.Sort((left, right) => left.Label.Member.CompareTo(right.Label.Member));
        int numMembers = first.Label.StripeBytes.Count;
        for (int index = 0; index < numMembers; index++)
        {
            if (index >= _members.Count || _members[index].Label.Member > index)
            {
                throw new StoreMismatchException(
                    first.File.Path, $"the store has {numMembers} files, {_members.Count} were given; file {index + 1} is missing", "Name all folders that the store was made with.");
            }

            if (_members[index].Label.Member < index)
            {
                throw new StoreMismatchException(_members[index].File.Path, $"the file is a copy of {_members[index - 1].File.Path}", "Name each folder of the store once.");
            }
        }
    }

    private sealed record Member(DirectFileDevice File, IBlockDevice Device, StoreLabel Label, int DamagedCopy)
    {
        public void WriteLabel()
        {
            using var buffer = new NativeBuffer(StoreLabel.SizeBytes);
            Label.Write(buffer.AsSpan<byte>(0, StoreLabel.SizeBytes));
            DeviceIo.Transfer(Device, BlockOperation.Write, Device.SizeBytes - StoreLabel.SizeBytes, (byte*)buffer.Address, StoreLabel.SizeBytes);
        }
    }
}
