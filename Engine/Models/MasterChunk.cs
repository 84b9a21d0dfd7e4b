namespace Offload.Engine.Models;

/// <summary>Told of a piece of the masters that are read.</summary>
/// <param name="range">Index of the range among those asked for.</param>
/// <param name="offset">Place of the piece's first element within the range; a range's pieces come in order, without gaps.</param>
/// <param name="masters">The piece; valid during the call.</param>
internal delegate void MasterChunk(int range, long offset, ReadOnlySpan<float> masters);
