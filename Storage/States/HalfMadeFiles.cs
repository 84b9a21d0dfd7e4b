using Offload.Storage.Devices;
using Offload.Storage.Files;
using Offload.Storage.Interop;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>
/// Files of stores that were never finished, each under its lock: nobody else makes, opens or removes them meanwhile. The first commit of a store in
/// several folders gives its files their final names one after the other, so one that has not got it yet may be of a store with a commit.
/// </summary>
internal sealed unsafe class HalfMadeFiles : IDisposable
{
    private readonly List<Part> _parts = [];

    private HalfMadeFiles()
    {
    }

    /// <summary>Refuses folders in which there is a store with a commit.</summary>
    /// <exception cref="StorageException">One is there.</exception>
    public static void RequireNoStore(IReadOnlyList<string> folders)
    {
        foreach (string path in folders.Select(folder => Path.Join(folder, StoreFiles.FileName)))
        {
            if (File.Exists(path))
            {
                throw new StorageException(path, "make a state store", "there is one already", "Continue with it (--resume), remove it, or choose another folder.");
            }
        }
    }

    /// <summary>Removes what stores that were never finished left in some folders, to make another one there.</summary>
    /// <param name="folders">All that the new store will have.</param>
    /// <exception cref="StorageException">
    /// A store is there; or a file of one whose other files are elsewhere, so that it may have a commit; or another process uses one. Nothing was removed.
    /// </exception>
    /// <exception cref="StoreMismatchException">A file is of a store of another format version.</exception>
    public static void Remove(IReadOnlyList<string> folders)
    {
        RequireNoStore(folders);
        using var files = new HalfMadeFiles();
        foreach (string path in folders.Select(folder => Path.Join(folder, StoreFiles.FileName + StoreFiles.PartSuffix)).Where(File.Exists))
        {
            files._parts.Add(Part.Open(path));
        }

        files.RequireAllMembers();
        files.EraseLabels();
        files._parts.ForEach(part => FileRemoval.Remove(part.Path));
    }

    /// <summary>Removes files that this process has made, after an error, which is the one to be told. What is somebody else's by now is left.</summary>
    /// <param name="made">The files; not disposed.</param>
    public static void RemoveQuietly(IReadOnlyList<MadeFile> made)
    {
        using var files = new HalfMadeFiles();
        files._parts.AddRange(made.Select(file => Part.TryOpen(file.Path, file.Identity)).OfType<Part>());
        try
        {
            files.EraseLabels();
        }
        catch (StorageException)
        {
        }

        files._parts.ForEach(part => FileRemoval.RemoveQuietly(part.Path));
    }

    public void Dispose() => _parts.ForEach(part => part.Dispose());

    /// <summary>A store has no commit if all of its files are here and none has its final name.</summary>
    private void RequireAllMembers()
    {
        // Labels are written last and made durable by the first commit: a file without one is of no store that has a commit, and may be a missing member.
        int numUnlabelled = _parts.Count(part => part.Label is null);
        foreach (IGrouping<UInt128, Part> store in _parts.Where(part => part.Label is not null).GroupBy(part => part.Label!.StoreId))
        {
            Part first = store.First();
            int numMembers = first.Label!.StripeBytes.Count;
            int[] here = [.. store.Select(part => part.Label!.Member).Distinct()];
            if (here.Length + numUnlabelled < numMembers)
            {
                string missing = string.Join(", ", Enumerable.Range(0, numMembers).Except(here).Select(member => member + 1));
                throw new StorageException(
                    first.Path,
                    "make a state store",
                    $"the file is number {first.Label.Member + 1} of a store of {numMembers} files, of which file {missing} is in none of the folders given: that store may have a commit",
                    "Name all folders of that store, as its run was started with: continue with it (--resume) if it has a commit; remove this file if its states are not needed.");
            }
        }
    }

    /// <summary>A crash half-way through a removal must not leave a member that looks as if its other files were elsewhere: labels go first.</summary>
    private void EraseLabels()
    {
        foreach (Part part in _parts.Where(part => part.Label is { StripeBytes.Count: > 1 }))
        {
            part.EraseLabel();
        }
    }

    private sealed class Part : IDisposable
    {
        private readonly DirectFileDevice _file;

        private Part(DirectFileDevice file)
        {
            _file = file;
            Path = file.Path;
            Identity = Libc.IdentityOf(file.Descriptor);
        }

        public string Path { get; }

        public FileIdentity? Identity { get; }

        /// <summary>Null: it has none, or not yet.</summary>
        public StoreLabel? Label { get; private set; }

        public static Part Open(string path)
        {
            DirectFileDevice file = DirectFileDevice.Open(path, new DirectFileOptions { Engine = IoEngine.Threads, QueueDepth = 1 });
            try
            {
                StoreMembers.RequireStillThere(file);
                return new Part(file) { Label = ReadLabel(file) };
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }

        /// <summary>Null: the file is gone, or somebody else's.</summary>
        public static Part? TryOpen(string path, FileIdentity? identity)
        {
            try
            {
                Part part = Open(path);
                if (part.Identity == identity)
                {
                    return part;
                }

                part.Dispose();
                return null;
            }
            catch (Exception error) when (error is StorageException or StoreMismatchException)
            {
                return null;
            }
        }

        public void EraseLabel()
        {
            using var zeros = new NativeBuffer(StoreLabel.SizeBytes);
            DeviceIo.Transfer(_file, BlockOperation.Write, StoreLabel.OffsetBytes(_file.SizeBytes, copy: 0), (byte*)zeros.Address, StoreLabel.SizeBytes);
            _file.Flush();
        }

        public void Dispose() => _file.Dispose();

        private static StoreLabel? ReadLabel(DirectFileDevice file)
        {
            if (file.SizeBytes < StoreLabel.SizeBytes || file.SizeBytes % StoreLabel.CopyBytes != 0)
            {
                return null;
            }

            using var buffer = new NativeBuffer(StoreLabel.SizeBytes);
            DeviceIo.Transfer(file, BlockOperation.Read, StoreLabel.OffsetBytes(file.SizeBytes, copy: 0), (byte*)buffer.Address, StoreLabel.SizeBytes);
            ReadOnlySpan<byte> copies = buffer.AsSpan<byte>(0, StoreLabel.SizeBytes);
            StoreLabel? label = StoreLabel.TryRead(copies, out _, out uint? otherVersion);
            return label is null && otherVersion is not null ? StoreLabel.Read(file.Path, copies, out _) : label;
        }
    }
}
