using System.Globalization;

namespace Offload.Swap.Planning.Search;

/// <summary>Sizes for people.</summary>
internal static class SizeText
{
    private static readonly string[] Names = ["bytes", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>"3.2 GiB".</summary>
    public static string Of(long sizeBytes)
    {
        double size = sizeBytes;
        int name = 0;
        while (Math.Abs(size) >= 1024 && name < Names.Length - 1)
        {
            size /= 1024;
            name++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{size:0.#} {Names[name]}");
    }

    /// <summary>A size that an option takes, not below: "20GiB", "512MiB".</summary>
    public static string Option(long sizeBytes)
    {
        const long Gibi = 1L << 30;
        const long Mebi = 1L << 20;
        return sizeBytes >= 4 * Gibi ? $"{(sizeBytes + Gibi - 1) / Gibi}GiB" : $"{(sizeBytes + Mebi - 1) / Mebi}MiB";
    }
}
