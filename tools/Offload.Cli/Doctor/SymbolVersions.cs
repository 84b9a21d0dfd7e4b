using System.Buffers.Binary;
using System.Text;

namespace Offload.Cli.Doctor;

/// <summary>Reads which symbol versions a 64-bit little-endian ELF library asks of the libraries under it.</summary>
internal static class SymbolVersions
{
    private const uint SectionTypeVerneed = 0x6ffffffe;
    private const ushort WeakFlag = 0x2;

    /// <summary>Each version asked for, and whether the loader may do without it (VER_FLG_WEAK).</summary>
    /// <exception cref="InvalidDataException">Not such a file.</exception>
    internal static IReadOnlyList<(string Name, bool IsWeak)> Needed(string path)
    {
        byte[] image = File.ReadAllBytes(path);
        if (image.Length < 64 || !image.AsSpan(0, 6).SequenceEqual((ReadOnlySpan<byte>)[0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1]))
        {
            throw new InvalidDataException($"{path}: not a 64-bit little-endian ELF file");
        }

        int sections = (int)U64(0x28);
        int numSections = U16(0x3c);
        var needed = new List<(string, bool)>();
        for (int header = sections; header < sections + 64 * numSections; header += 64)
        {
            if (U32(header + 4) == SectionTypeVerneed)
            {
                int strings = (int)U64(sections + 64 * (int)U32(header + 0x28) + 0x18);
                Collect((int)U64(header + 0x18), strings);
            }
        }

        return needed;

        // Elf64_Verneed: version (2), count (2), file (4), first entry (4), next (4). Elf64_Vernaux: hash (4), flags (2), other (2), name (4), next (4).
        void Collect(int need, int strings)
        {
            for (int next = -1; next != 0; need += next)
            {
                int entry = need + (int)U32(need + 8);
                for (int i = U16(need + 2); i > 0; i--)
                {
                    int name = strings + (int)U32(entry + 8);
                    needed.Add((Encoding.ASCII.GetString(image.AsSpan(name, image.AsSpan(name).IndexOf((byte)0))), (U16(entry + 4) & WeakFlag) != 0));
                    entry += (int)U32(entry + 12);
                }

                next = (int)U32(need + 12);
            }
        }

        ushort U16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(offset));
        uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(offset));
        ulong U64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(offset));
    }

    /// <summary>The highest GLIBCXX_3.4.N that a libstdc++ holds; null if it holds none.</summary>
    internal static int? HighestGlibcxx(string path)
    {
        ReadOnlySpan<byte> image = File.ReadAllBytes(path);
        int? highest = null;
        for (int at = image.IndexOf("GLIBCXX_3.4."u8); at >= 0; at = image.IndexOf("GLIBCXX_3.4."u8))
        {
            image = image[(at + "GLIBCXX_3.4.".Length)..];
            if (System.Buffers.Text.Utf8Parser.TryParse(image, out int minor, out _))
            {
                highest = Math.Max(highest ?? 0, minor);
            }
        }

        return highest;
    }
}
