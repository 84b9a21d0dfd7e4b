using Offload.Cli.Commands;
using Offload.Engine.Training;

namespace Offload.Cli.Tests;

public sealed class DemoTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-demo-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Demo_OutputIsAFile_Exits2()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");

        CliRun run = CliRun.InProcess("demo", "--output", file);

        Assert.Equal(2, run.ExitCode);
        Assert.Equal($"error: --output {file}: expected a folder, found a file\nhint: choose another folder\n", run.Error);
    }

    [Fact]
    public void Demo_OutputHoldsFiles_Exits2()
    {
        File.WriteAllText(Path.Combine(_folder, "file"), "");

        Assert.Equal(2, CliRun.InProcess("demo", "--output", _folder).ExitCode);
    }

    [Fact]
    public void Write_FolderWithSpaces_SuggestsCommandsThatAShellTakes()
    {
        using var output = new StringWriter { NewLine = "\n" };

        DemoCommand.Write(output, Result("my demo/run/model"), "Question: A?\nAnswer: B.");

        string[] lines = output.ToString().Split('\n');
        Assert.Contains($"  {ThisProgram.Command} generate --model 'my demo/run/model' --prompt \"Question: What is a tile?\"", lines);
        Assert.Contains($"  {ThisProgram.Command} doctor", lines);
    }

    private static TrainingResult Result(string modelFolder) => new()
    {
        FinalLoss = 1,
        EvalLossBefore = null,
        EvalLoss = null,
        Steps = 1,
        SkippedSteps = 0,
        TokensPerSecond = 1,
        WeightsHash = "",
        SsdBytesRead = 0,
        SsdBytesWritten = 0,
        SsdBytesPerStep = 0,
        DriveLifeSteps = null,
        DriveLifeDays = null,
        PeakCpuBytes = 0,
        PeakGpuBytes = 0,
        Output = "run",
        ModelFolder = modelFolder,
    };
}
