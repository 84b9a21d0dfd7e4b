using System.Text.Json;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>What a store holds; written into it when it is made, never changed after. Do not change the lists.</summary>
public sealed record StoreDescription
{
    /// <summary>Parameters of a tile if nothing else is said: 24 MiB with the 12 bytes of AdamW's exact states.</summary>
    public const long DefaultTileParameters = 1 << 21;

    /// <summary>Most parts of a unit: a <see cref="PartSet"/> has one bit for each.</summary>
    internal const int MaxParts = 32;

    /// <summary>Largest tile. Some of them must fit in memory at once; offsets within a tile are integers.</summary>
    internal const long MaxTileBytes = 1L << 30;

    /// <summary>Longest name of a unit or part: it is shown in messages of one line.</summary>
    internal const int MaxNameLength = 256;

    // Generous, and small enough that no product of them overflows 63 bits: 2^48 parameters * 32 parts * 8 bytes.
    private const long MaxUnitParameters = 1L << 48;
    private const long MaxStoreBytes = 1L << 58;

    // Of 4096 parameters or more each. With their checksums, at most half a GiB, they are in memory: twice in a store that is open.
    private const int MaxTiles = 1 << 22;
    private const long MaxHashes = 1 << 26;

    /// <summary>Everything that is stored, in order.</summary>
    public required IReadOnlyList<StateUnit> Units { get; init; }

    /// <summary>Parameters of a whole tile: a multiple of 4096 and of every part's parameters per element.</summary>
    public long TileParameters { get; init; } = DefaultTileParameters;

    /// <summary>2: a commit replaces the last one in one step. 1: half the room, and a crash inside a step loses the states.</summary>
    public int Generations { get; init; } = 2;

    /// <summary>An object that says whose states these are (model, element type); opaque here, compared by whoever opens the store.</summary>
    public required JsonElement Owner { get; init; }

    /// <summary>What forbids a store of this description.</summary>
    /// <returns>Null: nothing.</returns>
    internal string? FindProblem()
    {
        if (Generations is not (1 or 2))
        {
            return $"generations: expected 1 or 2, found {Generations}";
        }

        if (TileParameters is < NativeBuffer.AlignmentBytes or > MaxTileBytes || TileParameters % NativeBuffer.AlignmentBytes != 0)
        {
            return $"parameters of a tile: expected a multiple of {NativeBuffer.AlignmentBytes} up to {MaxTileBytes}, found {TileParameters}";
        }

        if (Owner.ValueKind != JsonValueKind.Object)
        {
            return $"owner: expected an object, found {Owner.ValueKind}";
        }

        if (Units.Count == 0)
        {
            return "expected at least one unit, found none";
        }

        long numTiles = 0;
        long numHashes = 0;
        long sizeBytes = 0;
        foreach (StateUnit unit in Units)
        {
            if (FindProblem(unit) is { } problem)
            {
                return $"unit {DisplayText.Quote(unit.Name)}: {problem}";
            }

            numTiles += TileLayout.CountTiles(unit, TileParameters);
            numHashes += TileLayout.CountTiles(unit, TileParameters) * unit.Parts.Count;
            sizeBytes += TileLayout.UnitBytes(unit, TileParameters, PartSet.All);
            if (numTiles > MaxTiles || numHashes > MaxHashes || sizeBytes > MaxStoreBytes)
            {
                return $"expected at most {MaxTiles} tiles, {MaxHashes} parts of tiles and {MaxStoreBytes} bytes, found more; larger tiles are fewer";
            }
        }

        return null;
    }

    private string? FindProblem(StateUnit unit)
    {
        if (unit.Name.Length is 0 or > MaxNameLength)
        {
            return $"expected a name of 1 to {MaxNameLength} characters";
        }

        if (unit.NumParameters is <= 0 or > MaxUnitParameters)
        {
            return $"expected 1 to {MaxUnitParameters} parameters, found {unit.NumParameters}";
        }

        if (unit.Parts.Count is 0 or > MaxParts)
        {
            return $"expected 1 to {MaxParts} parts, found {unit.Parts.Count}";
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (StatePart part in unit.Parts)
        {
            if (part.Name.Length is 0 or > MaxNameLength || !names.Add(part.Name))
            {
                return $"part {DisplayText.Quote(part.Name)}: expected a name of 1 to {MaxNameLength} characters that no other part has";
            }

            if (!Enum.IsDefined(part.Type))
            {
                return $"part {DisplayText.Quote(part.Name)}: {part.Type} is not an element type";
            }

            if (part.ParametersPerElement <= 0 || TileParameters % part.ParametersPerElement != 0)
            {
                return $"part {DisplayText.Quote(part.Name)}: expected parameters per element that divide a tile's {TileParameters}, found {part.ParametersPerElement}";
            }
        }

        long tileBytes = TileLayout.TileBytes(unit, Math.Min(unit.NumParameters, TileParameters), PartSet.All);
        return tileBytes > MaxTileBytes ? $"expected tiles of at most {MaxTileBytes} bytes, found {tileBytes}" : null;
    }
}
