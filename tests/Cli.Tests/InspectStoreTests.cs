using System.Buffers.Binary;
using System.Text.Json;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class InspectStoreTests : IDisposable
{
    private const int NumParameters = 20_000;
    private const int TileParameters = 8192;

    private readonly string _folder = Directory.CreateTempSubdirectory("offload-inspect-").FullName;

    private string StoreFile => Path.Combine(_folder, StoreFiles.FileName);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Inspect_Store_TellsWhatItIs()
    {
        Make(steps: 2);

        foreach (string path in (string[])[_folder, StoreFile])
        {
            CliRun run = CliRun.InProcess("inspect", path);

            Assert.Equal(0, run.ExitCode);
            Assert.StartsWith($"{StoreFile}: a state store of format version 1, ", run.Output);
            Assert.Contains("\n  model: tiny\n  dtype: bfloat16\n", run.Output);
            Assert.Contains("\n  2 units, 40,000 parameters, 6 tiles of up to 8,192, 2 generations\n", run.Output);
            Assert.Contains("\n  part first_moment: F32, in 2 units, 156.25 KiB\n", run.Output);
            Assert.Contains("\n  last commit: step 2 (record ", run.Output);
        }
    }

    [Fact]
    public void Inspect_StoreInUse_NeedsNoLock()
    {
        Make(steps: 1);
        using StateStore store = StoreFiles.Open([_folder]);

        Assert.Equal(1, CliRun.InProcess("inspect", _folder, "--json").LastJson.GetProperty("step").GetInt64());

        CliRun verify = CliRun.InProcess("inspect", _folder, "--verify");
        Assert.Equal(1, verify.ExitCode);
        Assert.Contains("another process is using this file", verify.Error);
    }

    [Fact]
    public void Inspect_StoreWithJson_IsOneObject()
    {
        Make(steps: 1);

        CliRun run = CliRun.InProcess("inspect", _folder, "--verify", "--json");

        Assert.Equal(0, run.ExitCode);
        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        JsonElement report = run.LastJson;
        Assert.Equal("store", report.GetProperty("kind").GetString());
        Assert.True(report.GetProperty("committed").GetBoolean());
        Assert.Equal("tiny", report.GetProperty("owner").GetProperty("model").GetString());
        Assert.Equal(new FileInfo(StoreFile).Length, report.GetProperty("bytes").GetInt64());
        Assert.Equal(2 * NumParameters, report.GetProperty("parameters").GetInt64());
        Assert.Matches("^[0-9a-f]{32}$", report.GetProperty("storeId").GetString());
        Assert.True(report.GetProperty("verification").GetProperty("isIntact").GetBoolean());
        Assert.InRange(report.GetProperty("verification").GetProperty("bytesRead").GetInt64(), 2 * NumParameters * 12, 2 * NumParameters * 16);
        Assert.Equal(JsonValueKind.Null, report.GetProperty("repair").ValueKind);
    }

    [Fact]
    public void Verify_FlippedBit_Exits4AndNamesUnitTilePartAndOffset()
    {
        Make(steps: 1);
        long offset = Damage(copy: 0);

        CliRun run = CliRun.InProcess("inspect", _folder, "--verify");
        JsonElement damage = Assert.Single(CliRun.InProcess("inspect", _folder, "--verify", "--json").LastJson.GetProperty("verification").GetProperty("damage").EnumerateArray());

        Assert.Equal(4, run.ExitCode);
        Assert.Contains($"\n  damaged: {StoreFile}: unit layer 1, tile 1, part first_moment, 32768 bytes at offset {offset}\n", run.Output);
        Assert.Equal(("layer 1", 1, "first_moment", offset), (
            damage.GetProperty("unit").GetString(), damage.GetProperty("tile").GetInt32(), damage.GetProperty("part").GetString(), damage.GetProperty("offsetBytes").GetInt64()));
        Assert.Equal(0, CliRun.InProcess("inspect", _folder).ExitCode);
    }

    [Fact]
    public void Repair_DamagedCommit_GoesBackToTheOneBefore()
    {
        Make(steps: 2);
        Damage(copy: 1);

        CliRun run = CliRun.InProcess("inspect", _folder, "--repair");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("\n  repaired: step 2 is lost, the store is back at step 1\n", run.Output);
        JsonElement after = CliRun.InProcess("inspect", _folder, "--verify", "--json").LastJson;
        Assert.Equal(1, after.GetProperty("step").GetInt64());
        Assert.True(after.GetProperty("verification").GetProperty("isIntact").GetBoolean());
    }

    [Fact]
    public void Repair_NothingToGoBackTo_Exits4AndLeavesTheStore()
    {
        Make(steps: 1);
        Damage(copy: 0);
        byte[] before = File.ReadAllBytes(StoreFile);

        CliRun run = CliRun.InProcess("inspect", _folder, "--repair");

        Assert.Equal(4, run.ExitCode);
        Assert.Contains("it cannot be repaired", run.Error);
        Assert.Equal(before, File.ReadAllBytes(StoreFile));
    }

    [Fact]
    public void Repair_WholeStore_DoesNothing()
    {
        Make(steps: 1);
        byte[] before = File.ReadAllBytes(StoreFile);

        CliRun run = CliRun.InProcess("inspect", _folder, "--repair", "--json");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(JsonValueKind.Null, run.LastJson.GetProperty("repair").GetProperty("lostStep").ValueKind);
        Assert.Equal(before, File.ReadAllBytes(StoreFile));
    }

    [Fact]
    public void Repair_DamagedCopyOfTheDescription_IsWrittenAnew()
    {
        Make(steps: 1);
        byte[] before = File.ReadAllBytes(StoreFile);
        Flip(100);

        Assert.Contains("note: ", CliRun.InProcess("inspect", _folder).Output);
        CliRun run = CliRun.InProcess("inspect", _folder, "--repair");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("\n  repaired: damaged copies were written anew, nothing is lost\n", run.Output);
        Assert.Equal(before, File.ReadAllBytes(StoreFile));
    }

    [Fact]
    public unsafe void Inspect_SingleGenerationInsideAStep_SaysSo()
    {
        Make(steps: 1, generations: 1);
        Assert.False(CliRun.InProcess("inspect", _folder, "--json").LastJson.GetProperty("inPlace").GetBoolean());
        using (StateStore store = StoreFiles.Open([_folder]))
        using (var memory = new NativeBuffer(store.Geometry.MaxTileBytes))
        {
            var write = new TileTransfer(store);
            write.PrepareWrite(new TileId(0, 0), (byte*)memory.Address, IoPriority.Normal);
            store.Start(write);
            write.Wait(TestContext.Current.CancellationToken);
        }

        Assert.Contains("\n  inside the step after it, which overwrites tiles in place", CliRun.InProcess("inspect", _folder).Output);
        Assert.True(CliRun.InProcess("inspect", _folder, "--json").LastJson.GetProperty("inPlace").GetBoolean());
        Assert.Equal(4, CliRun.InProcess("inspect", _folder, "--verify").ExitCode);
    }

    [Fact]
    public void Inspect_UnknownVersion_Exits4NamingBoth()
    {
        Make(steps: 1);
        byte[] version = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(version, 7);
        using (FileStream file = File.Open(StoreFile, FileMode.Open))
        {
            // Both copies of the file's label, at its end.
            foreach (long copy in (long[])[file.Length - 8192, file.Length - 4096])
            {
                file.Seek(copy + 8, SeekOrigin.Begin);
                file.Write(version);
            }
        }

        CliRun run = CliRun.InProcess("inspect", _folder);

        Assert.Equal(4, run.ExitCode);
        Assert.Contains("format version 7; expected version 1", run.Error);
    }

    [Fact]
    public void Inspect_FileThatIsNoStore_Exits4()
    {
        File.WriteAllBytes(StoreFile, new byte[65536]);

        CliRun run = CliRun.InProcess("inspect", StoreFile);

        Assert.Equal(4, run.ExitCode);
        Assert.StartsWith($"error: {StoreFile}: ", run.Error);
    }

    [Fact]
    public void Inspect_HalfMadeStore_SaysSo()
    {
        Make(steps: 0);

        CliRun run = CliRun.InProcess("inspect", _folder);

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("half made: nothing was committed", run.Output);
        Assert.False(CliRun.InProcess("inspect", _folder, "--json").LastJson.GetProperty("committed").GetBoolean());
        Assert.Equal(4, CliRun.InProcess("inspect", _folder, "--verify").ExitCode);
    }

    [Fact]
    public void Inspect_StripedStore_NeedsAllFoldersInAnyOrder()
    {
        string[] folders = [Path.Combine(_folder, "a"), Path.Combine(_folder, "b")];
        Make(steps: 1, folders);

        Assert.Equal(0, CliRun.InProcess("inspect", folders[1], folders[0], "--verify").ExitCode);
        CliRun one = CliRun.InProcess("inspect", folders[1]);
        Assert.Equal(4, one.ExitCode);
        Assert.Contains("the store has 2 files, 1 were given", one.Error);
    }

    [Theory]
    [InlineData("--verify")]
    [InlineData("--repair")]
    public void Verify_NoStoreThere_Exits2(string option)
    {
        CliRun run = CliRun.InProcess("inspect", _folder, option);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {_folder}: expected a state store, found no file {StoreFiles.FileName}\n", run.Error);
    }

    [Fact]
    public void Inspect_SeveralPathsThatAreNoStore_Exits2() => Assert.Equal(2, CliRun.InProcess("inspect", _folder, "/tmp").ExitCode);

    private void Make(int steps, params string[] folders) => Make(steps, generations: 2, folders);

    private unsafe void Make(int steps, int generations, params string[] folders)
    {
        StatePart[] parts =
        [
            new("high", ElementType.BF16), new("low", ElementType.I16), new("first_moment", ElementType.F32), new("second_moment", ElementType.F32),
        ];
        var description = new StoreDescription
        {
            Units = [new StateUnit("layer 0", NumParameters, parts), new StateUnit("layer 1", NumParameters, parts)],
            TileParameters = TileParameters,
            Generations = generations,
            Owner = JsonSerializer.SerializeToElement(new { model = "tiny", dtype = "bfloat16" }),
        };
        using StateStore store = StoreFiles.Create(folders.Length > 0 ? folders : [_folder], description);
        using var memory = new NativeBuffer(store.Geometry.MaxTileBytes);
        var write = new TileTransfer(store);
        for (int step = 1; step <= steps; step++)
        {
            foreach (TileId tile in store.Geometry.Tiles())
            {
                memory.AsSpan<byte>(0, (int)memory.SizeBytes).Fill((byte)(step + tile.Tile));
                write.PrepareWrite(tile, (byte*)memory.Address, IoPriority.Normal);
                store.Start(write);
                write.Wait(TestContext.Current.CancellationToken);
            }

            store.Commit(step, "{}"u8);
        }
    }

    /// <summary>Flips a bit of a unit's tile's first moment, in copy 0 or 1; returns where the part begins.</summary>
    private long Damage(int copy)
    {
        // Two copies at the end of the file, before its label: in each, of each unit, tiles of 8192, 8192 and 3616 parameters in four padded parts.
        const long LastTileBytes = 8192 + 8192 + 16384 + 16384;
        const long UnitBytes = (2 * TileParameters * 12) + LastTileBytes;
        const long CopyBytes = 2 * UnitBytes;
        long copyOffset = new FileInfo(StoreFile).Length - 8192 - ((2 - copy) * CopyBytes);
        long part = copyOffset + UnitBytes + (TileParameters * 12) + (TileParameters * 4);
        Flip(part + 12345);
        return part;
    }

    private void Flip(long offset)
    {
        using FileStream file = File.Open(StoreFile, FileMode.Open);
        file.Seek(offset, SeekOrigin.Begin);
        int value = file.ReadByte();
        file.Seek(offset, SeekOrigin.Begin);
        file.WriteByte((byte)(value ^ 0x10));
    }
}
