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

    private string State => Path.Combine(_folder.Output, "checkpoint", "states.offload");

    private string Settings => Path.Combine(_folder.Output, "run.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Undamaged_ResumesAndExports() => Check(0, null);

    [Fact]
    public void StateBitsFlipped_Exits4()
    {
        // One in each block of the states: the blocks at the beginning and end are the store's description, commits and label.
        byte[] bytes = File.ReadAllBytes(State);
        for (int place = bytes.Length / 4; place < bytes.Length * 3 / 4; place += 4096)
        {
            bytes[place] ^= 4;
        }

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
    public void StateEmptied_Exits4()
    {
        File.WriteAllBytes(State, new byte[new FileInfo(State).Length]);
        Check(4, State);
    }

    [Fact]
    public void StateMissing_Exits4()
    {
        File.Delete(State);
        Check(4, Path.GetDirectoryName(State)!);
    }

    [Fact]
    public void StateVersion_Exits4()
    {
        // Of the label at the end of the file, both copies: magic, then version.
        byte[] bytes = File.ReadAllBytes(State);
        bytes[^(4096 - 8)] = 9;
        bytes[^(8192 - 8)] = 9;
        File.WriteAllBytes(State, bytes);
        Assert.Contains("version 9", Check(4, State));
    }

    [Fact]
    public void SettingsVersion_Exits4()
    {
        File.WriteAllText(Settings, File.ReadAllText(Settings).Replace("\"version\": 2", "\"version\": 1", StringComparison.Ordinal));
        Assert.Contains("expected version 2, found 1", Check(4, Settings));
    }

    [Fact]
    public void SettingsTruncated_Exits4()
    {
        File.WriteAllText(Settings, File.ReadAllText(Settings)[..100]);
        Check(4, Settings);
    }

    [Fact]
    public void SettingsNull_Exits4()
    {
        File.WriteAllText(Settings, "null");
        Check(4, Settings);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    public void BaseFileMissing_Exits4(string name)
    {
        File.Delete(Path.Combine(_folder.Output, "base", name));
        // An export copies the tokenizer's files as far as they are there.
        Check(4, Path.Combine(_folder.Output, "base"), exports: name == "tokenizer.json");
    }

    [Theory]
    [InlineData("\"intermediate_size\":48", "float32", "a store of another model: expected llama of 35040 parameters")]
    [InlineData("\"intermediate_size\":64", "float32", "a store of another dtype: expected bfloat16, found float32")]
    [InlineData("\"intermediate_size\":64", "bfloat16", "a store of another run: expected ")]
    public void CheckpointOfAnotherRun_Exits4(string size, string type, string expected)
    {
        using var another = new TrainFolder();
        string config = Path.Combine(another.Model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"intermediate_size\":64", size, StringComparison.Ordinal));
        Assert.Equal(0, another.Train("--from-scratch", "--no-export", "--dtype", type).ExitCode);
        File.Copy(Path.Combine(another.Output, "checkpoint", "states.offload"), State, overwrite: true);
        Assert.Contains(expected, Check(4, Path.GetDirectoryName(State)!));
    }

    /// <summary>Resumes and exports; the messages are returned.</summary>
    private string Check(int exitCode, string? file, bool exports = false)
    {
        CliRun exported = CliRun.InProcess("export", _folder.Output, "--output", _folder["exported"]);
        CliRun resumed = _folder.Train("--from-scratch", "--resume", "--no-export");

        foreach (CliRun run in exports ? [resumed] : (CliRun[])[exported, resumed])
        {
            Assert.True(run.ExitCode == exitCode, run.Error);
            if (file is not null)
            {
                Assert.Contains($"error: {file}", run.Error);
                Assert.Equal("", run.Output);
            }
        }

        Assert.Equal(exitCode == 0 || exports, Directory.Exists(_folder["exported"]));
        return exported.Error + resumed.Error;
    }
}
