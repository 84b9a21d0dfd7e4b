namespace Offload.Storage.States;

/// <summary>What one tile holds and how it lies in memory.</summary>
public readonly struct TileShape : IEquatable<TileShape>
{
    private readonly StateUnit _unit;

    internal TileShape(StateUnit unit, long firstParameter, long numParameters)
    {
        _unit = unit;
        FirstParameter = firstParameter;
        NumParameters = (int)numParameters;
        SizeBytes = (int)TileLayout.TileBytes(unit, numParameters, PartSet.All);
    }

    /// <summary>Index of its first parameter within the unit.</summary>
    public long FirstParameter { get; }

    /// <summary>Its parameters.</summary>
    public int NumParameters { get; }

    /// <summary>Memory of the tile: all parts, padding included; a multiple of 4096.</summary>
    public int SizeBytes { get; }

    /// <summary>Where a part lies. Walks the parts before it; nothing is allocated.</summary>
    /// <param name="part">Index in <see cref="StateUnit.Parts"/>.</param>
    public PartRange PartRange(int part)
    {
        StatePart found = _unit.Parts[part];
        long offsetBytes = TileLayout.TileBytes(_unit, NumParameters, new PartSet((1u << part) - 1));
        long sizeBytes = TileLayout.PartBytes(found, NumParameters);
        return new PartRange((int)offsetBytes, (int)TileLayout.Elements(found, NumParameters), (int)sizeBytes, (int)TileLayout.Pad(sizeBytes));
    }

    /// <inheritdoc/>
    public bool Equals(TileShape other) => ReferenceEquals(_unit, other._unit) && FirstParameter == other.FirstParameter;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is TileShape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_unit, FirstParameter);

    /// <summary>Whether both are the same tile.</summary>
    public static bool operator ==(TileShape left, TileShape right) => left.Equals(right);

    /// <summary>Whether they are different tiles.</summary>
    public static bool operator !=(TileShape left, TileShape right) => !left.Equals(right);
}
