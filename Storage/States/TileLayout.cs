using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>How parts lie in a tile: one after the other, each padded to whole pages. Stateless; any thread.</summary>
internal static class TileLayout
{
    /// <summary>Size rounded up to whole pages.</summary>
    public static long Pad(long sizeBytes) => (sizeBytes + NativeBuffer.AlignmentBytes - 1) / NativeBuffer.AlignmentBytes * NativeBuffer.AlignmentBytes;

    /// <summary>Elements of a part for so many parameters.</summary>
    public static long Elements(StatePart part, long numParameters) => (numParameters + part.ParametersPerElement - 1) / part.ParametersPerElement;

    /// <summary>Bytes of a part, without padding.</summary>
    public static long PartBytes(StatePart part, long numParameters) => Elements(part, numParameters) * part.Type.SizeBytes();

    /// <summary>Bytes of a tile's parts, padding included.</summary>
    public static long TileBytes(StateUnit unit, long numParameters, PartSet parts)
    {
        long sizeBytes = 0;
        for (int part = 0; part < unit.Parts.Count; part++)
        {
            if (parts.Contains(part))
            {
                sizeBytes += Pad(PartBytes(unit.Parts[part], numParameters));
            }
        }

        return sizeBytes;
    }

    /// <summary>Tiles of a unit.</summary>
    public static long CountTiles(StateUnit unit, long tileParameters) => (unit.NumParameters + tileParameters - 1) / tileParameters;

    /// <summary>Bytes of all tiles of a unit.</summary>
    public static long UnitBytes(StateUnit unit, long tileParameters, PartSet parts)
    {
        long numWhole = unit.NumParameters / tileParameters;
        return (numWhole * TileBytes(unit, tileParameters, parts)) + TileBytes(unit, unit.NumParameters % tileParameters, parts);
    }

    /// <summary>The parts of which two generations are kept.</summary>
    public static PartSet MutableParts(StateUnit unit)
    {
        uint bits = 0;
        for (int part = 0; part < unit.Parts.Count; part++)
        {
            bits |= unit.Parts[part].IsMutable ? 1u << part : 0;
        }

        return new PartSet(bits);
    }

    /// <summary>All parts of a unit.</summary>
    public static PartSet AllParts(StateUnit unit) => new(unit.Parts.Count == 32 ? uint.MaxValue : (1u << unit.Parts.Count) - 1);
}
