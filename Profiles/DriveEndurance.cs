namespace Offload.Profiles;

/// <summary>How long a drive lasts under a load, by what its maker rates it for.</summary>
/// <param name="RatingTerabytes">Terabytes (10^12 bytes) that may be written in its life: TBW.</param>
public readonly record struct DriveEndurance(double RatingTerabytes)
{
    private const double SecondsPerDay = 86400;

    /// <summary>Steps until the rating is used up.</summary>
    /// <param name="bytesPerStep">Bytes written in a step.</param>
    /// <returns>Infinite if nothing is written.</returns>
    public double LifeSteps(double bytesPerStep) => bytesPerStep > 0 ? RatingTerabytes * 1e12 / bytesPerStep : double.PositiveInfinity;

    /// <summary>Days of steps without a pause until the rating is used up.</summary>
    /// <param name="bytesPerStep">Bytes written in a step.</param>
    /// <param name="secondsPerStep">Time of a step.</param>
    /// <returns>Infinite if nothing is written.</returns>
    public double LifeDays(double bytesPerStep, double secondsPerStep) => LifeSteps(bytesPerStep) * secondsPerStep / SecondsPerDay;
}
