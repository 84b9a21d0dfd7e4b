namespace Offload.Cli.Tests;

/// <summary>A run whose files were damaged, or belong together no longer: exit code 4 and the file's name, from resume and from export.</summary>
public sealed class DamagedRunTests : IDisposable
{
    private readonly TrainFolder _folder = new();

    public DamagedRunTests()
    {
        Assert.Equal(0, _folder.Train("--from-scratch", "--no-export").ExitCode);
        // As if it had not come to its end.
        File.Delete(Path.Combine(_folder.Output, "result.json"));
    }

    private string State => Directory.GetFiles(Path.Combine(_folder.Output, "checkpoint"), "state-*.safetensors").Single();

    private string Commit => Path.Combine(_folder.Output, "checkpoint", "commit.json");

    private string Settings => Path.Combine(_folder.Output, "run.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Undamaged_ResumesAndExports() => Check(0, null);

    [Fact]
    public void StateByteFlipped_Exits4()
    {
        byte[] bytes = File.ReadAllBytes(State);
        // In the weights: safetensors puts wide elements, the moments, first.
        bytes[^100] ^= 4;
        File.WriteAllBytes(State, bytes);
        Check(4, State);
    }

    [Fact]
    public void StateTruncated_Exits4()
    {
        using (FileStream file = File.OpenWrite(State))
        {
            file.SetLength(file.Length - 1);
        }

        Check(4, State);
    }

    [Fact]
    public void StateMissing_Exits4()
    {
        string state = State;
        File.Delete(state);
        Check(4, state);
    }

    [Fact]
    public void CommitByteFlipped_Exits4()
    {
        string text = File.ReadAllText(Commit);
        File.WriteAllText(Commit, text.Replace("\"step\": 6", "\"step\": 5", StringComparison.Ordinal));
        Assert.NotEqual(text, File.ReadAllText(Commit));
        Check(4, Commit);
    }

    [Fact]
    public void CommitTruncated_Exits4()
    {
        File.WriteAllText(Commit, File.ReadAllText(Commit)[..100]);
        Check(4, Commit);
    }

    [Fact]
    public void CommitVersion_Exits4()
    {
        File.WriteAllText(Commit, File.ReadAllText(Commit).Replace("\"version\": 1", "\"version\": 9", StringComparison.Ordinal));
        Check(4, Commit);
    }

    [Fact]
    public void SettingsVersion_Exits4()
    {
        File.WriteAllText(Settings, File.ReadAllText(Settings).Replace("\"version\": 1", "\"version\": 9", StringComparison.Ordinal));
        Check(4, Settings);
    }

    [Fact]
    public void SettingsTruncated_Exits4()
    {
        File.WriteAllText(Settings, File.ReadAllText(Settings)[..100]);
        Check(4, Settings);
    }

    [Fact]
    public void CheckpointOfAnotherModel_Exits4()
    {
        string config = Path.Combine(_folder.Model, "config.json");
        string other = File.ReadAllText(config).Replace("\"intermediate_size\":64", "\"intermediate_size\":48", StringComparison.Ordinal);
        var another = new TrainFolder();
        try
        {
            File.WriteAllText(Path.Combine(another.Model, "config.json"), other);
            Assert.Equal(0, another.Train("--from-scratch", "--no-export").ExitCode);
            string state = State;
            Directory.Delete(Path.Combine(_folder.Output, "checkpoint"), recursive: true);
            Directory.Move(Path.Combine(another.Output, "checkpoint"), Path.Combine(_folder.Output, "checkpoint"));
            Check(4, state.Replace("state-1", "state-0", StringComparison.Ordinal)[..^"0.safetensors".Length]);
        }
        finally
        {
            another.Dispose();
        }
    }

    private void Check(int exitCode, string? file)
    {
        CliRun exported = CliRun.InProcess("export", _folder.Output, "--output", _folder["exported"]);
        CliRun resumed = _folder.Train("--from-scratch", "--resume", "--no-export");

        foreach (CliRun run in (CliRun[])[exported, resumed])
        {
            Assert.True(run.ExitCode == exitCode, run.Error);
            if (file is not null)
            {
                Assert.Contains($"error: {file}", run.Error);
                Assert.Equal("", run.Output);
            }
        }

        Assert.Equal(exitCode == 0, Directory.Exists(_folder["exported"]));
    }
}
