namespace Offload.Storage.Devices;

/// <summary>How wide the stripes of a <see cref="StripedDevice"/> should be.</summary>
public static class StripeWidths
{
    /// <summary>
    /// Width of the fastest member's stripes: narrower ones would cut requests of that size, which cost the least, into dearer parts; and a tile of
    /// 24 MiB still reaches all members. A wider one is taken only if the speeds' ratios cannot be met else.
    /// </summary>
    private const int FastestBytes = DirectFileDevice.PreferredBlockBytes;

    private const int WidestBytes = 4 * FastestBytes;

    /// <summary>Off by this much, the slowest member makes all others wait for it by as much: below what a measurement of its speed can tell.</summary>
    private const double ToleratedError = 0.01;

    /// <summary>Widths in the ratio of the members' speeds, so that all are done at the same time.</summary>
    /// <param name="gBPerSecond">Speed of each member, in any unit.</param>
    /// <param name="alignmentBytes">The widths are multiples of it: at least the largest alignment of the members.</param>
    /// <param name="memberBytes">Size of the smallest member: no stripe is wider. At least the alignment.</param>
    /// <returns>A width for each member: within 1 % of the ratios where a width up to 16 MiB can be, else as near as it gets (above 1 : 80 with 4 KiB).</returns>
    /// <exception cref="ArgumentException">No member, or a speed that is not a positive number.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The alignment is not within 1 and 4 MiB, or a member smaller.</exception>
    public static IReadOnlyList<int> FromSpeeds(IReadOnlyList<double> gBPerSecond, int alignmentBytes = 4096, long memberBytes = long.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(gBPerSecond);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(alignmentBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(alignmentBytes, FastestBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(memberBytes, alignmentBytes);
        if (gBPerSecond.Count == 0 || gBPerSecond.Any(speed => !(speed > 0 && double.IsFinite(speed))))
        {
            throw new ArgumentException($"expected positive speeds, found [{string.Join(", ", gBPerSecond)}]", nameof(gBPerSecond));
        }

        double fastest = gBPerSecond.Max();
        int[] best = [];
        double bestError = double.PositiveInfinity;
        int widest = (int)Math.Min(WidestBytes, memberBytes) / alignmentBytes;
        for (int blocks = Math.Min(FastestBytes / alignmentBytes, widest); blocks <= widest && bestError > ToleratedError; blocks++)
        {
            int[] candidate = [.. gBPerSecond.Select(speed => Math.Max((int)Math.Round(blocks * speed / fastest), 1))];
            double error = candidate.Zip(gBPerSecond, (width, speed) => Math.Abs((width / (blocks * speed / fastest)) - 1)).Max();
            if (error < bestError)
            {
                (best, bestError) = (candidate, error);
            }
        }

        return [.. best.Select(blocks => blocks * alignmentBytes)];
    }
}
