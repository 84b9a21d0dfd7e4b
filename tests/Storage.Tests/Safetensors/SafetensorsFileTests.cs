using System.Runtime.Versioning;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Safetensors;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Read_PartOfTensor_GivesItsBytes()
    {
        using SafetensorsFile file = OpenValid();
        byte[] part = new byte[3];

        file.Read(file.Header.Tensors["b"], 1, part);

        Assert.Equal([10, 11, 12], part);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 9)]
    [InlineData(8, 1)]
    [InlineData(long.MaxValue, 1)]
    public void Read_BeyondTensor_Throws(long byteOffset, int sizeBytes)
    {
        using SafetensorsFile file = OpenValid();

        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(file.Header.Tensors["a"], byteOffset, new byte[sizeBytes]));
    }

    [Fact]
    public void Read_FileShortenedAfterOpening_NamesPathAndOffset()
    {
        using SafetensorsFile file = OpenValid();
        TensorInfo tensor = file.Header.Tensors["b"];
        using (FileStream stream = new(file.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(stream.Length - 1);
        }

        var error = Assert.Throws<StorageException>(() => file.Read(tensor, 0, new byte[4]));

        Assert.Equal(file.Path, error.Path);
        Assert.Contains($"read 4 bytes at offset {tensor.FileOffsetBytes}: only 3 bytes came", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ManyThreads_EachGetsItsOwnBytes()
    {
        using SafetensorsFile file = OpenValid();
        TensorInfo tensor = file.Header.Tensors["a"];

        Parallel.For(0, 2000, index =>
        {
            byte[] one = new byte[1];
            file.Read(tensor, index % 8, one);
            Assert.Equal((index % 8) + 1, one[0]);
        });
    }

    [Fact]
    public void Open_Missing_SaysSo()
    {
        var error = Assert.Throws<UnreadableInputException>(() => SafetensorsFile.Open(_folder["none.safetensors"]));

        Assert.Contains("there is no such file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_Folder_SaysSo()
    {
        var error = Assert.Throws<UnreadableInputException>(() => SafetensorsFile.Open(_folder.Path));

        Assert.Contains("expected a file, found a folder", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void Open_Unreadable_SaysSo()
    {
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "root may read everything");
        using (OpenValid())
        {
            File.SetUnixFileMode(_folder["x.safetensors"], UnixFileMode.None);
        }

        var error = Assert.Throws<UnreadableInputException>(() => SafetensorsFile.Open(_folder["x.safetensors"]));

        Assert.Contains("not permitted", error.Message, StringComparison.Ordinal);
    }

    private SafetensorsFile OpenValid()
    {
        string path = _folder["x.safetensors"];
        File.WriteAllBytes(path, HeaderBytes.File(HeaderBytes.ValidJson, HeaderBytes.ValidDataSizeBytes));
        return SafetensorsFile.Open(path);
    }
}
