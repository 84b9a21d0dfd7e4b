namespace Offload.Storage.States;

/// <summary>Where everything lies on a store's device: computed from the description, in room proportional to the number of units. Immutable; any thread.</summary>
public sealed class StoreGeometry
{
    private readonly UnitPlace[] _units;

    /// <param name="description">Without a problem.</param>
    /// <param name="headerBytes">Size of the description as it is stored.</param>
    internal StoreGeometry(StoreDescription description, int headerBytes)
    {
        Description = description;
        HeaderOffsetBytes = 2 * StorePreamble.SizeBytes;
        HeaderPaddedBytes = (int)TileLayout.Pad(headerBytes);
        _units = new UnitPlace[description.Units.Count];
        long immutableBytes = 0;
        long mutableBytes = 0;
        int numTiles = 0;
        int numHashes = 0;
        for (int index = 0; index < _units.Length; index++)
        {
            StateUnit unit = description.Units[index];
            PartSet changing = TileLayout.MutableParts(unit);
            var constant = new PartSet(TileLayout.AllParts(unit).Bits & ~changing.Bits);
            long wholeTile = Math.Min(unit.NumParameters, description.TileParameters);
            _units[index] = new UnitPlace(
                numTiles,
                (int)TileLayout.CountTiles(unit, description.TileParameters),
                numHashes,
                changing,
                immutableBytes,
                mutableBytes,
                TileLayout.TileBytes(unit, wholeTile, constant),
                TileLayout.TileBytes(unit, wholeTile, changing));
            numTiles += _units[index].NumTiles;
            numHashes += _units[index].NumTiles * unit.Parts.Count;
            immutableBytes += TileLayout.UnitBytes(unit, description.TileParameters, constant);
            mutableBytes += TileLayout.UnitBytes(unit, description.TileParameters, changing);
            MaxTileBytes = Math.Max(MaxTileBytes, (int)TileLayout.TileBytes(unit, wholeTile, PartSet.All));
        }

        NumTiles = numTiles;
        NumHashes = numHashes;
        CommitSlotBytes = TileLayout.Pad(CommitRecord.HeadBytes + CommitRecord.MaxRunStateBytes + CommitRecord.TableBytes(numTiles, numHashes));
        CommitSlotsOffsetBytes = HeaderOffsetBytes + (2L * HeaderPaddedBytes);
        ImmutableOffsetBytes = CommitSlotsOffsetBytes + (2 * CommitSlotBytes);
        CopyOffsetBytes = ImmutableOffsetBytes + immutableBytes;
        CopyBytes = mutableBytes;
        SizeBytes = CopyOffsetBytes + (description.Generations * mutableBytes);
    }

    /// <summary>Bytes of the device that the store needs.</summary>
    public long SizeBytes { get; }

    /// <summary>Tiles of all units.</summary>
    public int NumTiles { get; }

    /// <summary>Memory of the largest tile.</summary>
    public int MaxTileBytes { get; }

    /// <summary>Bytes of the states themselves, one generation, padding included: what reading everything reads.</summary>
    public long StateBytes => CopyOffsetBytes - ImmutableOffsetBytes + CopyBytes;

    /// <summary>What it is the geometry of.</summary>
    internal StoreDescription Description { get; }

    /// <summary>Checksums of a generation: one for each part of each tile.</summary>
    internal int NumHashes { get; }

    internal long HeaderOffsetBytes { get; }

    internal int HeaderPaddedBytes { get; }

    internal long CommitSlotsOffsetBytes { get; }

    internal long CommitSlotBytes { get; }

    internal long ImmutableOffsetBytes { get; }

    /// <summary>First byte of copy 0.</summary>
    internal long CopyOffsetBytes { get; }

    /// <summary>Size of a copy.</summary>
    internal long CopyBytes { get; }

    /// <summary>Computes the geometry.</summary>
    /// <param name="description">What will be stored.</param>
    /// <exception cref="ArgumentException">No store can have this description; says why.</exception>
    public static StoreGeometry Of(StoreDescription description)
    {
        ArgumentNullException.ThrowIfNull(description);
        return description.FindProblem() is { } problem
            ? throw new ArgumentException(problem, nameof(description))
            : new StoreGeometry(description, StoreHeader.Write(description).Length);
    }

    /// <summary>Tiles of a unit.</summary>
    /// <param name="unit">Index of the unit.</param>
    public int TileCount(int unit) => _units[unit].NumTiles;

    /// <summary>What a tile holds.</summary>
    /// <param name="tile">The tile.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such tile.</exception>
    public TileShape Tile(TileId tile)
    {
        Check(tile);
        StateUnit unit = Description.Units[tile.Unit];
        long firstParameter = tile.Tile * Description.TileParameters;
        return new TileShape(unit, firstParameter, Math.Min(Description.TileParameters, unit.NumParameters - firstParameter));
    }

    /// <summary>All tiles, in order.</summary>
    public IEnumerable<TileId> Tiles()
    {
        for (int unit = 0; unit < _units.Length; unit++)
        {
            for (int tile = 0; tile < _units[unit].NumTiles; tile++)
            {
                yield return new TileId(unit, tile);
            }
        }
    }

    /// <summary>The parts of a unit that a step may change.</summary>
    internal PartSet MutableParts(int unit) => _units[unit].MutableParts;

    /// <summary>Place of a tile among all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such tile.</exception>
    internal int TileIndex(TileId tile)
    {
        Check(tile);
        return _units[tile.Unit].FirstTile + tile.Tile;
    }

    /// <summary>Place of the checksum of a tile's first part among all.</summary>
    internal int HashIndex(TileId tile) => _units[tile.Unit].FirstHash + (tile.Tile * Description.Units[tile.Unit].Parts.Count);

    /// <summary>Where a tile's mutable parts begin on the device.</summary>
    internal long MutableOffsetBytes(TileId tile, int copy) =>
        CopyOffsetBytes + (copy * CopyBytes) + _units[tile.Unit].MutableOffsetBytes + (tile.Tile * _units[tile.Unit].MutableTileBytes);

    /// <summary>Where a tile's immutable parts begin on the device.</summary>
    internal long ImmutableOffsetBytesOf(TileId tile) =>
        ImmutableOffsetBytes + _units[tile.Unit].ImmutableOffsetBytes + (tile.Tile * _units[tile.Unit].ImmutableTileBytes);

    private void Check(TileId tile)
    {
        if ((uint)tile.Unit >= (uint)_units.Length || (uint)tile.Tile >= (uint)_units[tile.Unit].NumTiles)
        {
            throw new ArgumentOutOfRangeException(nameof(tile), tile, "there is no such tile");
        }
    }

    /// <summary>Offsets are within the region of the copy or of the immutable parts.</summary>
    private readonly record struct UnitPlace(
        int FirstTile, int NumTiles, int FirstHash, PartSet MutableParts, long ImmutableOffsetBytes, long MutableOffsetBytes, long ImmutableTileBytes, long MutableTileBytes);
}
