using System.Text;
using FsCheck.Xunit;
using Offload.Profiles;
using Offload.Storage.Safetensors;
using Offload.Storage.Tests.Files;

namespace Offload.Storage.Tests.Safetensors;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Property(MaxTest = 100, Arbitrary = [typeof(TensorLists)])]
    public void Complete_AnyTensors_RoundTrip(TensorSpec[] tensors)
    {
        using var folder = new TemporaryFolder();
        string path = folder["x.safetensors"];
        WriteAll(path, tensors);

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal("pt", file.Header.Metadata["format"]);
        Assert.Equal(0, file.Header.DataOffsetBytes % 8);
        Assert.Equal(tensors.Length, file.Header.Tensors.Count);
        for (int index = 0; index < tensors.Length; index++)
        {
            TensorInfo info = file.Header.Tensors[tensors[index].Name];
            Assert.Equal(tensors[index].Type, info.Type);
            Assert.Equal(tensors[index].Shape, info.Shape);
            Assert.Equal(0, info.FileOffsetBytes % info.Type.SizeBytes());
            byte[] data = new byte[info.SizeBytes];
            file.Read(info, 0, data);
            Assert.Equal(TensorLists.Data(tensors[index], index), data);
        }

        Assert.Equal(["x.safetensors"], folder.Names);
    }

    [Fact]
    public void Complete_KnownTensors_GivesTheFormatsBytes()
    {
        string path = _folder["x.safetensors"];
        using (var writer = new SafetensorsWriter(path, [new("b", ElementType.U8, 1), new("w", ElementType.BF16, 1, 2)]))
        {
            writer.BeginTensor("b");
            writer.Write([9]);
            writer.EndTensor();
            writer.BeginTensor("w");
            writer.Write([1, 2, 3]);
            writer.Write([]);
            writer.Write([4]);
            writer.EndTensor();
            writer.Complete();
        }

        string json =
            """{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}""";
        json = json.PadRight((json.Length + 7) / 8 * 8);
        byte[] expected = [(byte)json.Length, 0, 0, 0, 0, 0, 0, 0, .. Encoding.ASCII.GetBytes(json), 1, 2, 3, 4, 9];
        Assert.Equal(expected, File.ReadAllBytes(path));
    }

    [Fact]
    public void Dispose_BeforeComplete_LeavesPreviousFileAlone()
    {
        string path = _folder["x.safetensors"];
        File.WriteAllText(path, "previous");
        using (var writer = new SafetensorsWriter(path, [new("a", ElementType.F32, 2)]))
        {
            writer.BeginTensor("a");
            writer.Write(new byte[8]);
            writer.EndTensor();
        }

        Assert.Equal("previous", File.ReadAllText(path));
        Assert.Equal(["x.safetensors"], _folder.Names);
    }

    [Fact]
    public void Calls_OutOfOrder_AreRefused()
    {
        using var writer = new SafetensorsWriter(_folder["x.safetensors"], [new("a", ElementType.F32, 1), new("b", ElementType.F32, 1)]);

        Assert.Throws<InvalidOperationException>(() => writer.Write([1]));
        Assert.Throws<InvalidOperationException>(writer.EndTensor);
        Assert.Throws<InvalidOperationException>(() => writer.BeginTensor("b"));
        writer.BeginTensor("a");
        Assert.Throws<InvalidOperationException>(() => writer.BeginTensor("a"));
        Assert.Throws<InvalidOperationException>(writer.Complete);
        writer.Write(new byte[3]);
        Assert.Throws<InvalidOperationException>(writer.EndTensor);
        Assert.Throws<InvalidOperationException>(() => writer.Write(new byte[2]));
        writer.Write(new byte[1]);
        writer.EndTensor();
        Assert.Throws<InvalidOperationException>(writer.Complete);
        writer.BeginTensor("b");
        writer.Write(new byte[4]);
        writer.EndTensor();
        Assert.Throws<InvalidOperationException>(() => writer.BeginTensor("c"));
        writer.Complete();
        Assert.Throws<InvalidOperationException>(writer.Complete);
    }

    [Fact]
    public void Constructor_TwoTensorsOfOneName_IsRefused()
    {
        Assert.Throws<ArgumentException>(
            () => new SafetensorsWriter(_folder["x.safetensors"], [new("a", ElementType.F32, 1), new("a", ElementType.F32, 1)]));
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void Constructor_MoreThanTheDiskHolds_SaysHowMuchIsMissing()
    {
        var error = Assert.Throws<StorageException>(
            () => new SafetensorsWriter(_folder["x.safetensors"], [new("a", ElementType.U8, 1L << 60)]));

        Assert.Contains("bytes are missing", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failed, error.ExitCode);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void Write_DiskFull_NamesErrnoAndLeavesNothing()
    {
        string path = _folder["x.safetensors"];
        TensorSpec[] tensors = [new("a", ElementType.U8, 5)];
        int headerSizeBytes = SafetensorsLayout.Create(tensors).Header.Length;
        var disk = new FillingDisk();
        using (var writer = new SafetensorsWriter(path, tensors, SafetensorsLayout.Create(tensors), disk.Create))
        {
            disk.Fill();
            writer.BeginTensor("a");
            var error = Assert.Throws<StorageException>(() => writer.Write(new byte[5]));

            Assert.Equal(path, error.Path);
            Assert.Contains($"write 5 bytes at offset {headerSizeBytes}: ENOSPC (28)", error.Message, StringComparison.Ordinal);
            Assert.Contains("Free space", error.Hint, StringComparison.Ordinal);
            Assert.Throws<InvalidOperationException>(writer.EndTensor);
        }

        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void Constructor_DiskFullAtHeader_LeavesNothing()
    {
        TensorSpec[] tensors = [new("a", ElementType.U8, 5)];

        var error = Assert.Throws<StorageException>(
            () => new SafetensorsWriter(_folder["x"], tensors, SafetensorsLayout.Create(tensors), new FillingDisk(isFull: true).Create));

        Assert.Contains("at offset 0: ENOSPC (28)", error.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    internal static void WriteAll(string path, TensorSpec[] tensors)
    {
        using var writer = new SafetensorsWriter(path, tensors);
        for (int index = 0; index < tensors.Length; index++)
        {
            byte[] data = TensorLists.Data(tensors[index], index);
            writer.BeginTensor(tensors[index].Name);
            writer.Write(data.AsSpan(0, data.Length / 3));
            writer.Write(data.AsSpan(data.Length / 3));
            writer.EndTensor();
        }

        writer.Complete();
    }
}
