using System.Globalization;

namespace Offload.Cli;

/// <summary>Sizes in bytes as people write them: <c>12GiB</c>, <c>64MiB</c>, <c>1.5TB</c>.</summary>
internal static class Sizes
{
    private static readonly (string Name, double Bytes)[] Units =
    [
        ("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10),
        ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1),
    ];

    /// <summary>Reads a size: a number, then a unit of 1024 (KiB, MiB, GiB, TiB) or 1000 (kB, MB, GB, TB), in any case.</summary>
    /// <param name="text">What the user wrote.</param>
    /// <param name="sizeBytes">Bytes, rounded to the nearest.</param>
    /// <returns>False: not a size, not positive, or beyond 2^63.</returns>
    internal static bool TryParse(string text, out long sizeBytes)
    {
        sizeBytes = 0;
        string trimmed = text.Trim();
        (string name, double unitBytes) = Units.FirstOrDefault(unit => trimmed.EndsWith(unit.Name, StringComparison.OrdinalIgnoreCase));
        if (name is null
            || !double.TryParse(trimmed[..^name.Length], NumberStyles.AllowDecimalPoint | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out double number))
        {
            return false;
        }

        double bytes = Math.Round(number * unitBytes);
        if (bytes is not (>= 1 and < 9.2e18))
        {
            return false;
        }

        sizeBytes = (long)bytes;
        return true;
    }

    /// <summary>A size in the largest binary unit of which it has one, with up to two decimals: <c>12 GiB</c>.</summary>
    internal static string Format(long sizeBytes)
    {
        (string name, double unitBytes) = Units.Take(4).FirstOrDefault(unit => sizeBytes >= unit.Bytes, Units[^1]);
        return string.Create(CultureInfo.InvariantCulture, $"{sizeBytes / unitBytes:0.##} {name}");
    }
}
