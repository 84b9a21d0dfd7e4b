namespace Offload.Profiles.Tests;

public class DriveEnduranceTests
{
    [Fact]
    public void LifeDays_ARating_IsItsBytesAtTheRate()
    {
        var drive = new DriveEndurance(1200);

        Assert.Equal(1e5, drive.LifeSteps(12e9), 1e-6);
        Assert.Equal(10, drive.LifeDays(12e9, 8.64), 1e-9);
    }

    [Fact]
    public void LifeDays_NothingWritten_IsInfinite() => Assert.Equal(double.PositiveInfinity, new DriveEndurance(1).LifeDays(0, 1));
}
