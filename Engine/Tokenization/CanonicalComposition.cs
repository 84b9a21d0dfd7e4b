using System.Collections;
using System.Globalization;

namespace Offload.Engine.Tokenization;

/// <summary>
/// Unicode normalisation form NFC (UAX 15). Our own because <see cref="string.Normalize()"/> needs ICU, which a bare system lacks: with
/// invariant globalisation it leaves every text as it is.
/// </summary>
internal static class CanonicalComposition
{
    private const int HangulBase = 0xAC00;
    private const int NumHangul = 11172;
    private const int LeadBase = 0x1100;
    private const int VowelBase = 0x1161;
    private const int TrailBase = 0x11A7;
    private const int NumVowels = 21;
    private const int NumTrails = 28;
    private const int NumLeads = 19;

    private static readonly Lazy<Tables> Data = new(() => new Tables());

    /// <summary>The NFC form of well-formed UTF-16; the same string where it is that already by the quick check.</summary>
    public static string Normalize(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\u02FF'))
        {
            return text; // no character below U+0300 changes, composes or is reordered
        }

        Tables tables = Data.Value;
        for (int i = 0; i < text.Length; i++)
        {
            int codePoint = char.IsHighSurrogate(text[i]) ? char.ConvertToUtf32(text[i], text[++i]) : text[i];
            if (tables.Suspects[codePoint])
            {
                return NormalizeFully(text, tables);
            }
        }

        return text;
    }

    private static string NormalizeFully(string text, Tables tables)
    {
        var characters = new List<int>(text.Length + 16);
        for (int i = 0; i < text.Length; i++)
        {
            int codePoint = char.IsHighSurrogate(text[i]) ? char.ConvertToUtf32(text[i], text[++i]) : text[i];
            Decompose(codePoint, characters, tables);
        }

        Reorder(characters, tables);
        Compose(characters, tables);
        return string.Create(characters.Sum(c => c > 0xFFFF ? 2 : 1), characters, static (output, list) =>
        {
            foreach (int codePoint in list)
            {
                output = output[new System.Text.Rune(codePoint).EncodeToUtf16(output)..];
            }
        });
    }

    private static void Decompose(int codePoint, List<int> output, Tables tables)
    {
        int syllable = codePoint - HangulBase;
        if ((uint)syllable < NumHangul)
        {
            output.Add(LeadBase + (syllable / (NumVowels * NumTrails)));
            output.Add(VowelBase + (syllable % (NumVowels * NumTrails) / NumTrails));
            if (syllable % NumTrails != 0)
            {
                output.Add(TrailBase + (syllable % NumTrails));
            }
        }
        else if (tables.Parts.TryGetValue(codePoint, out int[]? parts))
        {
            foreach (int part in parts)
            {
                Decompose(part, output, tables);
            }
        }
        else
        {
            output.Add(codePoint);
        }
    }

    /// <summary>Sorts each run of combining characters by class, keeping the order of equals.</summary>
    private static void Reorder(List<int> characters, Tables tables)
    {
        for (int start = 0; start < characters.Count; start++)
        {
            int end = start;
            while (end < characters.Count && tables.Class(characters[end]) != 0)
            {
                end++;
            }

            if (end - start > 1)
            {
                int[] sorted = [.. characters.Skip(start).Take(end - start).OrderBy(tables.Class)];
                for (int i = 0; i < sorted.Length; i++)
                {
                    characters[start + i] = sorted[i];
                }
            }

            start = end;
        }
    }

    private static void Compose(List<int> characters, Tables tables)
    {
        int starter = -1;
        int lastClass = 0;
        int length = 0;
        foreach (int codePoint in characters.ToArray())
        {
            int combiningClass = tables.Class(codePoint);
            bool adjacent = starter == length - 1;
            if (starter >= 0 && (adjacent || (lastClass != 0 && lastClass < combiningClass))
                && tables.TryCompose(characters[starter], codePoint, out int composed))
            {
                characters[starter] = composed;
                continue;
            }

            if (combiningClass == 0)
            {
                starter = length;
            }

            lastClass = combiningClass;
            characters[length++] = codePoint;
        }

        characters.RemoveRange(length, characters.Count - length);
    }

    private sealed class Tables
    {
        private readonly Dictionary<int, byte> _classes = [];
        private readonly Dictionary<(int, int), int> _pairs = [];

        public Tables()
        {
            foreach (string range in CanonicalMappingData.CombiningClasses.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                string[] fields = range.Split('-', ':');
                for (int c = Hex(fields[0]); c <= Hex(fields[1]); c++)
                {
                    _classes[c] = byte.Parse(fields[2], CultureInfo.InvariantCulture);
                    Suspects[c] = true;
                }
            }

            foreach (string entry in CanonicalMappingData.Decompositions.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                int separator = entry.IndexOfAny(['=', ':']);
                int composed = Hex(entry[..separator]);
                int[] parts = [.. entry[(separator + 1)..].Split('+').Select(Hex)];
                Parts[composed] = parts;
                if (entry[separator] == '=')
                {
                    _pairs[(parts[0], parts[1])] = composed;
                    Suspects[parts[1]] = true;
                }
                else
                {
                    Suspects[composed] = true;
                }
            }

            for (int c = VowelBase; c < VowelBase + NumVowels; c++)
            {
                Suspects[c] = true;
            }

            for (int c = TrailBase + 1; c < TrailBase + NumTrails; c++)
            {
                Suspects[c] = true;
            }
        }

        /// <summary>Characters that may change: a text without any is normalised already.</summary>
        public BitArray Suspects { get; } = new(0x110000);

        public Dictionary<int, int[]> Parts { get; } = [];

        public int Class(int codePoint) => codePoint < 0x300 ? 0 : _classes.GetValueOrDefault(codePoint);

        public bool TryCompose(int first, int second, out int composed)
        {
            int lead = first - LeadBase;
            int vowel = second - VowelBase;
            if ((uint)lead < NumLeads && (uint)vowel < NumVowels)
            {
                composed = HangulBase + (((lead * NumVowels) + vowel) * NumTrails);
                return true;
            }

            int syllable = first - HangulBase;
            int trail = second - TrailBase;
            if ((uint)syllable < NumHangul && syllable % NumTrails == 0 && trail is > 0 and < NumTrails)
            {
                composed = first + trail;
                return true;
            }

            return _pairs.TryGetValue((first, second), out composed);
        }

        private static int Hex(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }
}
