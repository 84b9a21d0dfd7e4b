using System.Buffers.Binary;
using System.Text;

namespace Offload.Tests.Infrastructure.States;

/// <summary>Changes that break, or almost break, what a parser reads.</summary>
internal static class Mutations
{
    private static readonly long[] Numbers = [0, 1, -1, 2, 7, 8, 63, 64, 4095, 4096, 4097, 65535, 65536, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, 1L << 32, 1L << 48];

    private static readonly string[] Pieces =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "0", "-1", "4", "8", "1.5", "1e9", "2147483648", "9223372036854775807",
        "18446744073709551616", "null", "true", "\"F32\"", "\"F8_E4M3\"", "\"name\"", "\"type\"", "\"units\"", "\"layouts\"", "\"owner\"", "\"parameters\"", "\"layout\"",
        "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", " ", "\n", "\0", "[[[[[[[[", "{\"a\":{\"a\":{\"a\":",
    ];

    /// <summary>Changes bytes in place.</summary>
    public static void Bytes(Span<byte> bytes, Random random)
    {
        if (random.Next(20) == 0)
        {
            random.NextBytes(bytes);
            return;
        }

        for (int count = random.Next(1, 4); count > 0; count--)
        {
            // Fields are at the front.
            int position = random.Next(random.Next(2) == 0 ? Math.Min(64, bytes.Length) : bytes.Length);
            switch (random.Next(4))
            {
                case 0:
                    bytes[position] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[position] = (byte)random.Next(256);
                    break;
                case 2 when position + sizeof(long) <= bytes.Length:
                    BinaryPrimitives.WriteInt64LittleEndian(bytes[(position & ~3)..], Numbers[random.Next(Numbers.Length)]);
                    break;
                default:
                    BinaryPrimitives.WriteInt32LittleEndian(bytes[Math.Min(position & ~3, bytes.Length - sizeof(int))..], (int)Numbers[random.Next(Numbers.Length)]);
                    break;
            }
        }
    }

    /// <summary>Changes a text, mostly so that much of it can still be read.</summary>
    public static byte[] Text(ReadOnlySpan<byte> text, Random random)
    {
        List<byte> changed = [.. text];
        for (int mutation = random.Next(1, 4); mutation > 0; mutation--)
        {
            int position = random.Next(changed.Count);
            int count = Math.Min(random.Next(1, 12), changed.Count - position);
            switch (random.Next(7))
            {
                case 0:
                    changed[position] = (byte)random.Next(256);
                    break;
                case 1:
                    changed.RemoveRange(position, Math.Min(count, changed.Count - 1));
                    break;
                case 2:
                    changed.InsertRange(position, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;
                case 3:
                    changed.InsertRange(random.Next(changed.Count), changed.GetRange(position, count));
                    break;
                default:
                    ReplaceNumber(changed, position, random);
                    break;
            }
        }

        return [.. changed];
    }

    /// <summary>Another number, or another digit, keeps the text valid, so that the checks behind the parser are reached.</summary>
    private static void ReplaceNumber(List<byte> text, int position, Random random)
    {
        int first = text.FindIndex(position, IsDigit);
        if (first < 0)
        {
            return;
        }

        if (random.Next(2) == 0)
        {
            text[first] = (byte)('0' + random.Next(10));
            return;
        }

        int end = text.FindIndex(first, character => !IsDigit(character));
        text.RemoveRange(first, (end < 0 ? text.Count : end) - first);
        text.InsertRange(first, Encoding.UTF8.GetBytes(Numbers[random.Next(Numbers.Length)].ToString()));
    }

    private static bool IsDigit(byte character) => character is >= (byte)'0' and <= (byte)'9';
}
