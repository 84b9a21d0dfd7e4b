using Offload.Engine.Optimizers;
using Offload.Storage.States;

namespace Offload.Engine.Swapping;

/// <summary>The optimizer over tiles in the memory of one tier. One thread at a time.</summary>
internal unsafe interface ITileCompute
{
    /// <summary>Updates a tile.</summary>
    /// <param name="unit">Index of the unit.</param>
    /// <param name="shape">The tile.</param>
    /// <param name="source">Its states.</param>
    /// <param name="destination">Receives the new ones: the same memory, or other that does not overlap it.</param>
    /// <param name="gradient">The unit's rounded gradients.</param>
    /// <param name="weights">Receive the tile's weights in the compute type: the first of the unit's; null: they are not wanted.</param>
    /// <param name="step">The step's constants.</param>
    void Update(int unit, TileShape shape, AdamWStates source, AdamWStates destination, byte* gradient, byte* weights, in UpdateStep step);

    /// <summary>Copies a tile's states within the tier.</summary>
    /// <param name="source">First byte.</param>
    /// <param name="destination">First byte; no overlap.</param>
    /// <param name="sizeBytes">Size.</param>
    void CopyTile(byte* source, byte* destination, long sizeBytes);

    /// <summary>Makes a tile's compute weights agree with its masters.</summary>
    /// <param name="weights">First byte of the unit's weights.</param>
    /// <param name="shape">The tile.</param>
    /// <param name="states">Its states.</param>
    void SetWeights(byte* weights, TileShape shape, AdamWStates states);
}
