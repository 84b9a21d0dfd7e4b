using Offload.Engine.Hub;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Tests.Training;

/// <summary>What a run does to a folder that was not empty, and what it asks for before it begins.</summary>
[Collection(nameof(ProcessWide))]
public sealed class RunFolderTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("metrics.jsonl", "")]
    [InlineData("lock", "mine")]
    [InlineData("tokens", "")]
    public void Run_OutputWithForeignFile_IsRefusedAndLeftAlone(string name, string content)
    {
        Directory.CreateDirectory(_run["a"]);
        string file = Path.Combine(_run["a"], name);
        File.WriteAllText(file, content);

        foreach (bool resume in (bool[])[false, true])
        {
            var error = Assert.Throws<UsageException>(() => TinyRun.Train(_run.Options("a") with { Resume = resume }));
            Assert.Equal($"--output {_run["a"]}: expected an empty folder or a run, found '{name}'", error.Message);
        }

        Assert.Equal([file], Directory.GetFileSystemEntries(_run["a"]));
        Assert.Equal(content, File.ReadAllText(file));
    }

    [Fact]
    public void Run_OutputIsTheModel_IsRefused()
    {
        string[] before = Directory.GetFileSystemEntries(_run.ModelFolder);

        Assert.Throws<UsageException>(() => TinyRun.Train(_run.Options("model")));

        Assert.Equal(before, Directory.GetFileSystemEntries(_run.ModelFolder));
    }

    [Fact]
    public void Run_FailsBesideALockThatWasThere_KeepsIt()
    {
        Directory.CreateDirectory(_run["a"]);
        File.WriteAllText(Path.Combine(_run["a"], "lock"), "");
        File.WriteAllText(_run["bad.jsonl"], "{");

        Assert.Throws<UnreadableInputException>(() => TinyRun.Train(_run.Options("a") with { DataFiles = [_run["bad.jsonl"]] }));

        Assert.Equal([Path.Combine(_run["a"], "lock")], Directory.GetFileSystemEntries(_run["a"]));
    }

    [Fact]
    public void Resume_ModelFolderHoldsSomethingElse_IsRefusedBeforeAStep()
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntil(options, 2);
        Directory.CreateDirectory(Path.Combine(_run["a"], "model"));
        File.WriteAllText(Path.Combine(_run["a"], "model", "notes.txt"), "");

        Assert.Throws<StorageException>(() => TinyRun.Train(options with { Resume = true, Export = true }, _ => Assert.Fail("a step was made")));
    }

    [Fact]
    public void Companions_ByteOrderMark_IsLeftOutOfTheExport()
    {
        string config = Path.Combine(_run.ModelFolder, "config.json");
        File.WriteAllBytes(config, [.. "\uFEFF"u8, .. File.ReadAllBytes(config)]);
        Directory.CreateDirectory(_run["out"]);

        HubCompanions.Read(_run.ModelFolder).WriteTo(_run["out"], "float32");

        Assert.Equal((byte)'{', File.ReadAllBytes(Path.Combine(_run["out"], "config.json"))[0]);
    }

    [Fact]
    public void Run_ConfigNamesAKeyTwice_IsRefusedBeforeAnythingIsMade()
    {
        string config = Path.Combine(_run.ModelFolder, "config.json");
        File.WriteAllText(config, "{\"note\":1,\"note\":2," + File.ReadAllText(config)[1..]);

        var error = Assert.Throws<UnreadableInputException>(() => TinyRun.Train(_run.Options("a")));

        Assert.StartsWith($"{config}: not JSON that can be written again", error.Message);
        Assert.False(Directory.Exists(_run["a"]));
    }
}
