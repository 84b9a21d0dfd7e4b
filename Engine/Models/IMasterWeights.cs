namespace Offload.Engine.Models;

/// <summary>A model's fp32 master weights, wherever they live: for import, export, hash and checks.</summary>
internal interface IMasterWeights
{
    /// <summary>The model.</summary>
    ModelLayout Layout { get; }

    /// <summary>Reads a range of one unit's masters.</summary>
    /// <param name="unitIndex">The unit.</param>
    /// <param name="offset">First element within the unit.</param>
    /// <param name="destination">Receives them.</param>
    void ReadMasters(int unitIndex, long offset, Span<float> destination);

    /// <summary>Writes a range of one unit's masters.</summary>
    /// <param name="unitIndex">The unit.</param>
    /// <param name="offset">First element within the unit.</param>
    /// <param name="source">The masters.</param>
    void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source);
}
