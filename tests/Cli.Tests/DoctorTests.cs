using System.Text.Json;
using Offload.Cli.Doctor;

namespace Offload.Cli.Tests;

public sealed class DoctorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-doctor-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Process_DoctorJson_TellsThatCpuTrainingWorks()
    {
        CliRun run = CliRun.AsProcess("doctor", "--json", "--nvme", _folder);

        Assert.Equal(0, run.ExitCode);
        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        JsonElement report = run.LastJson;
        Assert.True(report.GetProperty("ok").GetBoolean());
        Dictionary<string, string> status = report.GetProperty("checks").EnumerateArray().ToDictionary(check => check.GetProperty("name").GetString()!, check => check.GetProperty("status").GetString()!);
        Assert.Equal("ok", status["libtorch"]);
        Assert.Equal("ok", status["libLibTorchSharp.so"]);
        Assert.All((string[])["operating system", ".NET", "SIMD", "memory", "locked memory", "io_uring", $"storage {_folder}", "CUDA driver", "MPI", "libtorch with CUDA"], name => Assert.Contains(status[name], (string[])["ok", "warning", "missing"]));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public void Doctor_LibtorchFolderWithoutLibtorch_FailsAndSaysWhatIsMissing()
    {
        CliRun run = CliRun.AsProcess("doctor", "--libtorch", _folder, "--nvme", _folder);

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("libtorch_cpu.so", run.Output);
        Assert.Contains("Training does not work here yet.", run.Output);
    }

    [Fact]
    public void Doctor_OtherLibtorchThanTheOneBesideTheApplication_RunsOnIt()
    {
        // A real copy of the one library that must not be loaded twice; a link would count as the same file.
        string bundled = Engine.Interop.LibtorchLocator.Locate().Folder;
        foreach (string file in Directory.EnumerateFiles(bundled, "*.so*"))
        {
            File.CreateSymbolicLink(Path.Combine(_folder, Path.GetFileName(file)), file);
        }

        string copy = Path.Combine(_folder, "libtorch_cpu.so");
        File.Delete(copy);
        File.Copy(Path.Combine(bundled, "libtorch_cpu.so"), copy);

        CliRun run = CliRun.AsProcess("doctor", "--libtorch", _folder);

        Assert.Equal(0, run.ExitCode);
        Assert.Matches($@"ok +libtorch +\d+\.\d+\.\d+ in {_folder} \(--libtorch\)", run.Output);
    }

    [Fact]
    public void StorageChecks_FolderThatIsMissing_TriesItsParent()
    {
        Check check = StorageChecks.Run([Path.Combine(_folder, "a", "b")]).Last();

        Assert.NotEqual(CheckStatus.Missing, check.Status);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public void StorageChecks_FileInsteadOfFolder_IsNamed()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");

        Check check = StorageChecks.Run([file]).Last();

        Assert.Equal(CheckStatus.Missing, check.Status);
        Assert.Equal("not a folder", check.Found);
    }

    [Fact]
    public void StorageChecks_FolderThatTakesNoFile_IsMissing()
    {
        Assert.SkipUnless(Directory.Exists("/proc/self"), "no /proc");

        Check check = StorageChecks.Run(["/proc/self"]).Last();

        Assert.Equal(CheckStatus.Missing, check.Status);
        Assert.Contains("cannot be written", check.Found);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void CheckTry_CheckThatThrows_IsARowOfItsOwn(bool isEssential)
    {
        Check check = Check.Try("thing", () => throw new FormatException("first\nsecond"), isEssential);

        Assert.Equal(("thing", CheckStatus.Missing, isEssential), (check.Name, check.Status, check.IsEssential));
        Assert.Equal("the check failed: FormatException: first second", check.Found);
    }

    [Fact]
    public void LockedMemoryLimit_IsToldByTheSystem()
    {
        Assert.Null(LinuxCalls.TryGetLockedMemoryLimit(out long? limitBytes));
        Assert.True(limitBytes is null or >= 0);
    }

    [Fact]
    public void SymbolVersionsNeeded_PatchedAndPackagedBridge_DifferInOneFlag()
    {
        string bridge = Engine.Interop.LibtorchLocator.FindBridge()!;

        (string Name, bool IsWeak)[] needed = [.. SymbolVersions.Needed(bridge)];

        Assert.Equal(("GLIBCXX_3.4.32", true), Assert.Single(needed, version => version.IsWeak));
        Assert.Contains(("GLIBCXX_3.4.21", false), needed);
    }

    [Fact]
    public void SymbolVersionsNeeded_NoLibrary_IsInvalid()
    {
        string file = Path.Combine(_folder, "text.so");
        File.WriteAllText(file, new string('x', 100));

        Assert.Throws<InvalidDataException>(() => SymbolVersions.Needed(file));
    }

    [Fact]
    public void HighestGlibcxx_Text_TakesTheLargestNumber()
    {
        string file = Path.Combine(_folder, "libstdc++.so.6");
        File.WriteAllText(file, "GLIBCXX_3.4.9\0GLIBCXX_3.4.30\0GLIBCXX_3.4.2\0GLIBCXX_3.4.x");

        Assert.Equal(30, SymbolVersions.HighestGlibcxx(file));
    }
}
