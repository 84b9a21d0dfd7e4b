using Offload.Storage.Interop;

namespace Offload.Storage.Devices;

/// <summary>Memory that an io_uring has pinned, and where in its table. Under its owner's lock.</summary>
/// <param name="ring">The ring; borrowed.</param>
internal sealed unsafe class RegisteredMemory(IoUring ring)
{
    /// <summary>Pieces of all regions together: a device has an arena or two at a time, and a piece is as much as the kernel takes in one.</summary>
    private const int MaxPieces = 64;

    private const long PieceBytes = 1L << 30;

    private readonly List<Region> _regions = [];
    private bool _isRefused;
    private bool _hasTable;

    /// <summary>Pins memory; false if the system refuses or the table is full.</summary>
    public bool TryAdd(byte* address, long sizeBytes)
    {
        int numPieces = checked((int)((sizeBytes + PieceBytes - 1) / PieceBytes));
        int first = FirstFree(numPieces);
        if (sizeBytes <= 0 || _isRefused || first < 0)
        {
            return false;
        }

        if (!_hasTable)
        {
            // Linux 5.19; before that a registration may wait for all that is in flight, and a thread that waits for completions for it.
            _isRefused = ring.RegisterTable(MaxPieces) != 0;
            _hasTable = !_isRefused;
        }

        if (!_hasTable || ring.UpdateTable(first, address, sizeBytes, PieceBytes) != 0)
        {
            return false;
        }

        _regions.Add(new Region(address, sizeBytes, first, numPieces));
        return true;
    }

    /// <summary>Releases what was pinned at an address; transfers that use it end first, in the kernel.</summary>
    public void Remove(byte* address)
    {
        int index = _regions.FindIndex(region => region.Address == address);
        if (index >= 0)
        {
            Region region = _regions[index];
            _regions.RemoveAt(index);
            _ = ring.ClearTable(region.FirstPiece, region.NumPieces); // It cannot fail; if it does, the pages stay pinned until the ring is closed.
        }
    }

    /// <summary>The piece that a range lies in, if it lies in one.</summary>
    public bool TryFind(byte* address, int sizeBytes, out int piece)
    {
        foreach (Region region in _regions)
        {
            long start = address - region.Address;
            long end = start + sizeBytes;
            if (start >= 0 && end <= region.SizeBytes)
            {
                piece = region.FirstPiece + (int)(start / PieceBytes);
                return start / PieceBytes == (end - 1) / PieceBytes;
            }
        }

        piece = 0;
        return false;
    }

    private int FirstFree(int numPieces)
    {
        int first = 0;
        while (_regions.FindIndex(region => first < region.FirstPiece + region.NumPieces && region.FirstPiece < first + numPieces) is int hit and >= 0)
        {
            first = _regions[hit].FirstPiece + _regions[hit].NumPieces;
        }

        return first + numPieces <= MaxPieces ? first : -1;
    }

    private readonly struct Region(byte* address, long sizeBytes, int firstPiece, int numPieces)
    {
        public byte* Address { get; } = address;

        public long SizeBytes { get; } = sizeBytes;

        public int FirstPiece { get; } = firstPiece;

        public int NumPieces { get; } = numPieces;
    }
}
