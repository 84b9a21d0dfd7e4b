using System.Text;

namespace Offload.Engine.Tokenization;

/// <summary>GPT-2's printable character for each byte (encoder.py, bytes_to_unicode), in which byte-level vocabularies are written.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly Dictionary<char, byte> Bytes = Characters.Index().ToDictionary(pair => pair.Item, pair => (byte)pair.Index);

    public static char Character(byte value) => Characters[value];

    public static void Write(ReadOnlySpan<byte> utf8, Span<char> output)
    {
        for (int i = 0; i < utf8.Length; i++)
        {
            output[i] = Characters[utf8[i]];
        }
    }

    /// <summary>The bytes that a token stands for: each character's byte, or its UTF-8 if any of its characters is outside the alphabet.</summary>
    public static byte[] Read(string token)
    {
        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            if (!Bytes.TryGetValue(token[i], out bytes[i]))
            {
                return Encoding.UTF8.GetBytes(token);
            }
        }

        return bytes;
    }

    private static char[] Build()
    {
        char[] characters = new char[256];
        char next = '\u0100';
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE);
            characters[value] = printable ? (char)value : next++;
        }

        return characters;
    }
}
