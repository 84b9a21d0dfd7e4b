using System.Text;

namespace Offload.Engine.Tests.Tokenization;

/// <summary>Seeded texts of the sort that tokenizers get wrong.</summary>
internal static class RandomText
{
    private static readonly string[] Fragments =
    [
        "hello", " world", " the", "'s", "'S", "'LL", "\u017F", "\u212A", "123", "\u0661", "\u2160", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t",
        "\u0085", "\u00A0", "\u200B", "\u3000", "!", "?!...", "()", "/", "\u65E5\u672C", "\uD55C", "\u1112\u1161\u11AB", "e\u0301", "\u0301",
        "q\u0307\u0323", "\u00E9", "\U0001F642", "\U0001F469\u200D\U0001F467", "\U00010400", "\U0001D400b", "\U0001D7CE", "\U000E0100", "\0", "\uFEFF",
        "\uF900", "\u0958", "<|im_end|>", "<x>",
    ];

    public static string Create(int seed, bool loneSurrogates = false)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        int numParts = random.Next(1, 16);
        for (int i = 0; i < numParts; i++)
        {
            int kind = random.Next(10);
            if (kind == 0)
            {
                int codePoint = random.Next(0x110000 - 0x800);
                text.Append(new Rune(codePoint < 0xD800 ? codePoint : codePoint + 0x800));
            }
            else if (kind == 1)
            {
                text.Append((char)random.Next(' ', 0x7F), random.Next(1, 90));
            }
            else if (kind == 2 && loneSurrogates)
            {
                text.Append((char)random.Next(0xD800, 0xE000));
            }
            else
            {
                text.Append(Fragments[random.Next(Fragments.Length)]);
            }
        }

        return text.ToString();
    }
}
