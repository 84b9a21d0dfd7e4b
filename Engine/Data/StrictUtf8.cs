using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Offload.Engine.Data;

/// <summary>UTF-8 where an invalid byte is an error with a place, never a replacement character.</summary>
internal static class StrictUtf8
{
    /// <summary>Index of the first byte that is not part of valid UTF-8; -1 if there is none.</summary>
    public static int IndexOfInvalid(ReadOnlySpan<byte> utf8)
    {
        if (Utf8.IsValid(utf8))
        {
            return -1;
        }

        int index = 0;
        while (Rune.DecodeFromUtf8(utf8[index..], out _, out int length) == OperationStatus.Done)
        {
            index += length;
        }

        return index;
    }

    /// <summary>Length of a byte order mark at the start: 3 or 0.</summary>
    public static int ByteOrderMarkLength(ReadOnlySpan<byte> utf8) => utf8.StartsWith("\uFEFF"u8) ? 3 : 0;
}
