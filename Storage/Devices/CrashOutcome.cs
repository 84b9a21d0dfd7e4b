namespace Offload.Storage.Devices;

/// <summary>What a disk may have made of writes that no flush followed.</summary>
internal static unsafe class CrashOutcome
{
    /// <summary>Applies them all, in order.</summary>
    internal static void ApplyAll(List<UncertainWrite> writes, byte* contents)
    {
        foreach (UncertainWrite write in writes)
        {
            write.Bytes.CopyTo(new Span<byte>(contents + write.OffsetBytes, write.Bytes.Length));
        }
    }

    /// <summary>
    /// Applies one of the possible outcomes. Pure chance for every sector would almost never give the plain cases, in which most errors
    /// show: all kept, all lost, cut off at one point. Each of these has a share of its own.
    /// </summary>
    internal static void Apply(List<UncertainWrite> writes, byte* contents, Random random)
    {
        switch (random.Next(8))
        {
            case 0:
                ApplyAll(writes, contents);
                break;
            case 1:
                break;
            case 2 or 3:
                ApplyUpTo(random.Next(writes.Count + 1), writes, contents, random);
                break;
            case 4:
                UncertainWrite[] shuffled = [.. writes];
                random.Shuffle(shuffled);
                ApplyUpTo(random.Next(writes.Count + 1), [.. shuffled], contents, random);
                break;
            default:
                ApplyEachByChance([.. writes], contents, random);
                break;
        }
    }

    /// <summary>The first so many are kept, the next is torn, the rest lost.</summary>
    private static void ApplyUpTo(int count, List<UncertainWrite> writes, byte* contents, Random random)
    {
        ApplyAll(writes[..count], contents);
        if (count < writes.Count)
        {
            Tear(writes[count], contents, random);
        }
    }

    private static void ApplyEachByChance(UncertainWrite[] writes, byte* contents, Random random)
    {
        if (random.Next(2) == 0)
        {
            random.Shuffle(writes);
        }

        foreach (UncertainWrite write in writes)
        {
            switch (random.Next(3))
            {
                case 0:
                    ApplyAll([write], contents);
                    break;
                case 1:
                    Tear(write, contents, random);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>Keeps the first sectors, the last ones, or any.</summary>
    private static void Tear(UncertainWrite write, byte* contents, Random random)
    {
        int numSectors = (write.Bytes.Length + CrashableDevice.SectorBytes - 1) / CrashableDevice.SectorBytes;
        int style = random.Next(3);
        int border = random.Next(numSectors + 1);
        for (int sector = 0; sector < numSectors; sector++)
        {
            bool isKept = style switch
            {
                0 => sector < border,
                1 => sector >= border,
                _ => random.Next(2) == 0,
            };
            if (isKept)
            {
                int start = sector * CrashableDevice.SectorBytes;
                Span<byte> bytes = write.Bytes.AsSpan(start, Math.Min(CrashableDevice.SectorBytes, write.Bytes.Length - start));
                bytes.CopyTo(new Span<byte>(contents + write.OffsetBytes + start, bytes.Length));
            }
        }
    }
}
