namespace Offload.Engine.Data;

/// <summary>How far the data files have been tokenised.</summary>
/// <param name="BytesRead">Bytes of data files done.</param>
/// <param name="TotalBytes">Bytes of all data files.</param>
/// <param name="NumTokens">Tokens written.</param>
public readonly record struct TokenizingProgress(long BytesRead, long TotalBytes, long NumTokens);
