using Offload.Swap.Planning.Search;

namespace Offload.Swap.Tests.Planning.Search;

public sealed class PublishedTableTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(8, 42.8)]
    [InlineData(16, 84.3)]
    [InlineData(32, 143.1)]
    [InlineData(64, 155.8)]
    [InlineData(128, 153.8)]
    public void Plan_Published13B_IsWithin15Percent(int batch, double publishedTflops) => Check(40, 5120, batch, publishedTflops, 0.15);

    [Theory]
    [InlineData(8, 52.6)]
    [InlineData(16, 86.9)]
    public void Plan_Published175B_IsWithin20Percent(int batch, double publishedTflops) => Check(96, 12288, batch, publishedTflops, 0.20);

    [Fact]
    public void Plan_Published175BAtBatch32_IsOutOfGpuMemory()
    {
        PlanResult result = PublishedTestbed.Plan(96, 12288, 32, numDrives: 12);

        Assert.False(result.IsFeasible);
        Assert.Contains("GPU memory", result.Reasons[0], StringComparison.Ordinal);
        output.WriteLine(string.Join("\n", result.Reasons));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void Plan_MoreDrives_IsNeverSlower(int batch)
    {
        double before = double.PositiveInfinity;
        foreach (int numDrives in new[] { 1, 2, 3, 4, 6, 8, 12 })
        {
            PlannedStep step = PublishedTestbed.Plan(40, 5120, batch, numDrives).Require();
            output.WriteLine($"{numDrives} drives: {step.Predicted.HardwareTflops:F1} TFLOPS, {step.Predicted.StepSeconds:F1} s");
            Assert.True(step.Predicted.StepSeconds < before * 1.01);
            before = step.Predicted.StepSeconds;
        }
    }

    private void Check(int numLayers, int hidden, int batch, double publishedTflops, double tolerance)
    {
        PlannedStep step = PublishedTestbed.Plan(numLayers, hidden, batch, numDrives: 12).Require();

        string lanes = string.Join(" ", step.Predicted.Lanes.Select(lane => $"{lane.Lane} {lane.BusySeconds:F1}"));
        output.WriteLine($"batch {batch}: {step.Predicted.HardwareTflops:F1} TFLOPS, published {publishedTflops}, {step.Predicted.StepSeconds:F1} s, {lanes}, "
            + $"memory {step.Memory}, {step.Plan.WeightSlots} {step.Plan.GradientSlots} {step.Plan.ActivationSlots}, {string.Join(",", step.Plan.Units[1].Activations)} read {step.Predicted.SsdReadBytes / 1e9:F0} written {step.Predicted.SsdWrittenBytes / 1e9:F0}");
        Assert.InRange(step.Predicted.HardwareTflops, publishedTflops * (1 - tolerance), publishedTflops * (1 + tolerance));
    }
}
