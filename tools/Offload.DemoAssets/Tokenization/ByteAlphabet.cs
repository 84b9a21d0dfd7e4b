using System.Text;

namespace Offload.DemoAssets.Tokenization;

/// <summary>
/// GPT-2's spelling of bytes as characters: printable bytes stand for themselves, the others for the code points from 256 on, in
/// byte order, so that a vocabulary is readable text. Pure functions.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharOfByte = BuildCharOfByte();

    /// <summary>The 256 characters in ascending order: the order of the first tokens in a vocabulary.</summary>
    public static IReadOnlyList<char> Sorted { get; } = [.. CharOfByte.Order()];

    /// <summary>Spells the UTF-8 bytes of a text, one character a byte.</summary>
    public static string Spell(string text) => string.Concat(Encoding.UTF8.GetBytes(text).Select(value => CharOfByte[value]));

    private static char[] BuildCharOfByte()
    {
        var result = new char[256];
        char next = (char)256;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            result[value] = isPrintable ? (char)value : next++;
        }

        return result;
    }
}
