namespace Offload.Engine.Data;

/// <summary>A document of a data file, or a piece of a long one.</summary>
/// <param name="Text">Never empty.</param>
/// <param name="BeginsDocument">No piece of the same document went before.</param>
/// <param name="EndsDocument">No piece of the same document follows.</param>
/// <param name="Where">File, and line where it has lines, for error messages.</param>
/// <param name="NumBytes">Bytes of the file that this piece and what was skipped before it took up.</param>
internal readonly record struct TextPiece(string Text, bool BeginsDocument, bool EndsDocument, string Where, long NumBytes);
