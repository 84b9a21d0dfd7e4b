using System;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Copies a 64-bit little-endian ELF library and marks one required symbol version weak in the copy, so that the loader
/// accepts a C++ runtime that lacks it. Sets VER_FLG_WEAK in vna_flags of the Elf64_Vernaux entry of that name in
/// .gnu.version_r (System V ABI, "Symbol versioning"). A file without the entry is copied as it is.
/// </summary>
public class MarkSymbolVersionWeak : Task
{
    private const uint SectionTypeVerneed = 0x6ffffffe;
    private const ushort VerFlagWeak = 0x2;

    [Required]
    public string Source { get; set; }

    [Required]
    public string Destination { get; set; }

    [Required]
    public string SymbolVersion { get; set; }

    public override bool Execute()
    {
        try
        {
            byte[] image = File.ReadAllBytes(Source);
            bool changed = MarkWeak(image, SymbolVersion);
            Directory.CreateDirectory(Path.GetDirectoryName(Destination));
            // A new file, then a rename: the destination may be a hard link into the package cache, which must not change.
            string temporary = Destination + "." + Guid.NewGuid().ToString("N");
            File.WriteAllBytes(temporary, image);
            if (File.Exists(Destination))
            {
                File.Delete(Destination);
            }

            File.Move(temporary, Destination);
            Log.LogMessage(MessageImportance.Low, "{0}: {1} {2}", Destination, SymbolVersion, changed ? "marked weak" : "needed no change");
            return true;
        }
        catch (Exception error) when (error is IOException || error is InvalidDataException || error is ArgumentOutOfRangeException || error is UnauthorizedAccessException)
        {
            Log.LogError("Cannot mark {0} weak in {1}: {2}", SymbolVersion, Source, error.Message);
            return false;
        }
    }

    private static bool MarkWeak(byte[] image, string symbolVersion)
    {
        if (image.Length < 64 || image[0] != 0x7f || image[1] != 'E' || image[2] != 'L' || image[3] != 'F' || image[4] != 2 || image[5] != 1)
        {
            throw new InvalidDataException("not a 64-bit little-endian ELF file");
        }

        long sectionHeaders = BitConverter.ToInt64(image, 0x28);
        int sectionHeaderSize = BitConverter.ToUInt16(image, 0x3a);
        int numSections = BitConverter.ToUInt16(image, 0x3c);
        for (int i = 0; i < numSections; i++)
        {
            int header = checked((int)(sectionHeaders + (long)i * sectionHeaderSize));
            if (BitConverter.ToUInt32(image, header + 4) == SectionTypeVerneed)
            {
                int stringSection = checked((int)(sectionHeaders + (long)BitConverter.ToUInt32(image, header + 0x28) * sectionHeaderSize));
                int strings = checked((int)BitConverter.ToInt64(image, stringSection + 0x18));
                int need = checked((int)BitConverter.ToInt64(image, header + 0x18));
                return MarkWeak(image, need, strings, symbolVersion);
            }
        }

        return false;
    }

    private static bool MarkWeak(byte[] image, int need, int strings, string symbolVersion)
    {
        bool changed = false;
        while (true)
        {
            int numEntries = BitConverter.ToUInt16(image, need + 2);
            int entry = need + (int)BitConverter.ToUInt32(image, need + 8);
            for (int i = 0; i < numEntries; i++)
            {
                // Elf64_Vernaux: hash (4), flags (2), other (2), name (4), next (4).
                if (NameAt(image, strings + (int)BitConverter.ToUInt32(image, entry + 8)) == symbolVersion)
                {
                    ushort flags = BitConverter.ToUInt16(image, entry + 4);
                    if ((flags & VerFlagWeak) == 0)
                    {
                        image[entry + 4] = (byte)(flags | VerFlagWeak);
                        changed = true;
                    }
                }

                entry += (int)BitConverter.ToUInt32(image, entry + 12);
            }

            int next = (int)BitConverter.ToUInt32(image, need + 12);
            if (next == 0)
            {
                return changed;
            }

            need += next;
        }
    }

    private static string NameAt(byte[] image, int offset)
    {
        int end = Array.IndexOf(image, (byte)0, offset);
        return Encoding.ASCII.GetString(image, offset, end - offset);
    }
}
