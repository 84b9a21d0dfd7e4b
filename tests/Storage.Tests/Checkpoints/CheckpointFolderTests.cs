using System.Text.Json;
using Offload.Storage.Checkpoints;
using Offload.Storage.Memory;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Checkpoints;

public sealed class CheckpointFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly NativeBuffer _first = new(40);
    private readonly NativeBuffer _second = new(6);

    private string CommitFile => Path.Combine(_folder["run"], "commit.json");

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Write_SeveralTimes_ReadsTheLastAndKeepsOneFile()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Assert.Null(checkpoints.ReadCommit());
        for (byte step = 1; step <= 5; step++)
        {
            Write(checkpoints, step);
            CheckpointCommit commit = checkpoints.ReadCommit()!;

            Assert.Equal(step, commit.Step);
            Assert.Equal(step * 10, commit.RunState.GetProperty("position").GetInt32());
            _first.Clear();
            checkpoints.Read(commit, Parts());
            Assert.All(_first.AsSpan<byte>(0, 40).ToArray(), value => Assert.Equal(step, value));
            Assert.Equal(2, Directory.GetFileSystemEntries(_folder["run"]).Length);
        }
    }

    [Fact]
    public void ReadCommit_AnyByteFlipped_IsAMismatchThatNamesTheFile()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        byte[] record = File.ReadAllBytes(CommitFile);
        for (int place = 0; place < record.Length; place++)
        {
            byte[] damaged = [.. record];
            damaged[place] ^= 1;
            File.WriteAllBytes(CommitFile, damaged);

            var error = Assert.Throws<StoreMismatchException>(checkpoints.ReadCommit);

            Assert.Equal(CommitFile, error.Path);
        }
    }

    [Fact]
    public void ReadCommit_TruncatedAnywhere_IsAMismatch()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        byte[] record = File.ReadAllBytes(CommitFile);
        for (int length = 0; length < record.Length; length++)
        {
            File.WriteAllBytes(CommitFile, record[..length]);

            Assert.Throws<StoreMismatchException>(checkpoints.ReadCommit);
        }
    }

    [Fact]
    public void ReadCommit_OtherVersion_SaysSo()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        File.WriteAllText(CommitFile, File.ReadAllText(CommitFile).Replace("\"version\": 1", "\"version\": 2", StringComparison.Ordinal));

        var error = Assert.Throws<StoreMismatchException>(checkpoints.ReadCommit);

        Assert.Contains("expected version 1, found 2", error.Message);
    }

    [Fact]
    public void ReadAndVerify_AnyByteOfTheDataFlipped_IsAMismatch()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        CheckpointCommit commit = checkpoints.ReadCommit()!;
        string path = Path.Combine(_folder["run"], commit.File);
        byte[] state = File.ReadAllBytes(path);
        checkpoints.OpenVerified(commit, ["a", "b"]).Dispose();
        for (int place = state.Length - 46; place < state.Length; place++)
        {
            byte[] damaged = [.. state];
            damaged[place] ^= 0x10;
            File.WriteAllBytes(path, damaged);

            Assert.Equal(path, Assert.Throws<StoreMismatchException>(() => checkpoints.Read(commit, Parts())).Path);
            Assert.Equal(path, Assert.Throws<StoreMismatchException>(() => checkpoints.OpenVerified(commit, ["a", "b"])).Path);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(-1)]
    public void Read_TruncatedState_IsAMismatch(int length)
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        CheckpointCommit commit = checkpoints.ReadCommit()!;
        string path = Path.Combine(_folder["run"], commit.File);
        byte[] state = File.ReadAllBytes(path);
        File.WriteAllBytes(path, length < 0 ? state[..^1] : state[..length]);

        Assert.Throws<StoreMismatchException>(() => checkpoints.Read(commit, Parts()));
        File.Delete(path);
        Assert.Throws<StoreMismatchException>(() => checkpoints.Read(commit, Parts()));
    }

    [Fact]
    public void Read_OtherArrays_IsAnotherModels()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        CheckpointCommit commit = checkpoints.ReadCommit()!;

        Assert.Contains("'c'", Assert.Throws<StoreMismatchException>(() => checkpoints.Read(commit, [new CheckpointPart("c", ElementType.F32, _first)])).Message);
        Assert.Contains("expected I16 [3]", Assert.Throws<StoreMismatchException>(() => checkpoints.Read(commit, [new CheckpointPart("a", ElementType.I16, _second)])).Message);
    }

    [Fact]
    public void Write_StateThatCannotBeMade_KeepsTheLastCheckpoint()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        string other = checkpoints.ReadCommit()!.File == "state-0.safetensors" ? "state-1.safetensors" : "state-0.safetensors";
        Directory.CreateDirectory(Path.Combine(_folder["run"], other));

        Assert.Throws<StorageException>(() => Write(checkpoints, 4));

        CheckpointCommit commit = checkpoints.ReadCommit()!;
        Assert.Equal(3, commit.Step);
        checkpoints.OpenVerified(commit, ["a", "b"]).Dispose();
    }

    [Fact]
    public void OpenVerified_WriterCommitsMeanwhile_ReadsWhatWasVerified()
    {
        var checkpoints = new CheckpointFolder(_folder["run"]);
        Write(checkpoints, 3);
        CheckpointCommit commit = checkpoints.ReadCommit()!;
        using SafetensorsFile file = checkpoints.OpenVerified(commit, ["a", "b"]);
        Write(checkpoints, 4);
        Write(checkpoints, 5);

        byte[] bytes = new byte[40];
        file.Read(file.Header.Tensors["a"], 0, bytes);

        Assert.All(bytes, value => Assert.Equal(3, value));
        Assert.Throws<StoreMismatchException>(() => checkpoints.OpenVerified(commit, ["a", "b"]));
    }

    private CheckpointPart[] Parts() => [new("a", ElementType.F32, _first), new("b", ElementType.I16, _second)];

    private void Write(CheckpointFolder checkpoints, byte step)
    {
        _first.AsSpan<byte>(0, 40).Fill(step);
        _second.AsSpan<byte>(0, 6).Fill(step);
        checkpoints.Write(step, JsonSerializer.SerializeToElement(new { position = step * 10 }), Parts());
    }
}
