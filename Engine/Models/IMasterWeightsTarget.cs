namespace Offload.Engine.Models;

/// <summary>A model's fp32 master weights that can be written: what an import fills.</summary>
internal interface IMasterWeightsTarget
{
    /// <summary>The model.</summary>
    ModelLayout Layout { get; }

    /// <summary>Writes a range of one unit's masters. Units come in order, and their ranges in order without gaps.</summary>
    /// <param name="unitIndex">The unit.</param>
    /// <param name="offset">First element within the unit.</param>
    /// <param name="source">The masters.</param>
    void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source);

    /// <summary>Ends the writing: all masters are there, and what is made of them agrees with them.</summary>
    void CompleteMasters();
}
