using System.Buffers.Binary;
using System.Text;
using Offload.Profiles;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Safetensors;

public sealed class SafetensorsHeaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Header, bytes of data, and what the message must say.</summary>
    public static TheoryData<string, int, string> HostileHeaders => new()
    {
        // Text.
        { "[]", 0, "begins with '{', found byte 0x5b" },
        { " {}", 0, "begins with '{', found byte 0x20" },
        { "{", 0, "syntax error" },
        { "{}{}", 0, "syntax error" },
        { "{} x", 0, "syntax error" },
        { "{,}", 0, "syntax error" },
        { """{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},}""", 4, "syntax error" },
        { """{"a":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[""", 4, "'a': expected an object, found StartArray" },
        { """{"a":{"dtype":"F32","shape":[[[[0]]]],"data_offsets":[0,4]}}""", 4, "syntax error" },
        { """{"\ud800":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4, "expected Unicode text" },
        { """{"a":{"dtype":"\udc00","shape":[],"data_offsets":[0,4]}}""", 4, "expected Unicode text" },

        // Kinds and fields.
        { """{"a":1}""", 0, "'a': expected an object, found Number" },
        { """{"a":null}""", 0, "'a': expected an object, found Null" },
        { """{"a":{}}""", 0, "dtype is missing" },
        { """{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "shape is missing" },
        { """{"a":{"dtype":"F32","shape":[]}}""", 4, "data_offsets is missing" },
        { """{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"more":1}}""", 4, "found 'more'" },
        { """{"a":{"dtype":7,"shape":[],"data_offsets":[0,4]}}""", 4, "dtype: expected a string, found Number" },
        { """{"a":{"dtype":"F32","shape":4,"data_offsets":[0,4]}}""", 4, "shape: expected an array, found Number" },
        { """{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}""", 4, "shape: expected integers of at least 0, found String" },
        { """{"a":{"dtype":"F32","shape":[],"data_offsets":[0]}}""", 4, "expected two data_offsets, found 1" },
        { """{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}}""", 4, "expected two data_offsets, found 3" },

        // Duplicates, spelled differently too.
        { """{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}""", 8, "'a' occurs twice" },
        { """{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}""", 8, "'a' occurs twice" },
        { """{"__metadata__":{},"__metadata__":{}}""", 0, "'__metadata__' occurs twice" },
        { """{"__metadata__":{"k":"1","k":"2"}}""", 0, "key 'k': occurs twice" },
        { """{"a":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4, "dtype occurs twice" },
        { """{"a":{"dtype":"F32","shape":[],"shape":[],"data_offsets":[0,4]}}""", 4, "shape occurs twice" },
        { """{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"data_offsets":[0,4]}}""", 4, "data_offsets occurs twice" },

        // Metadata.
        { """{"__metadata__":{"k":1}}""", 0, "key 'k': expected a string, found Number" },
        { """{"__metadata__":{"k":{"deep":"x"}}}""", 0, "key 'k': expected a string, found StartObject" },
        { """{"__metadata__":null}""", 0, "__metadata__: expected an object, found Null" },
        { """{"__metadata__":[]}""", 0, "__metadata__: expected an object, found StartArray" },

        // Types.
        { """{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}""", 4, "found 'F8_E4M3', which is not supported" },
        { """{"a":{"dtype":"F8_E5M2","shape":[4],"data_offsets":[0,4]}}""", 4, "found 'F8_E5M2', which is not supported" },
        { """{"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}""", 4, "found 'F4', which is not supported" },
        { """{"a":{"dtype":"float32","shape":[],"data_offsets":[0,4]}}""", 4, "found 'float32', which is not a type of the format" },
        { """{"a":{"dtype":"f32","shape":[],"data_offsets":[0,4]}}""", 4, "found 'f32', which is not a type of the format" },

        // Shapes.
        { """{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "found '-1'" },
        { """{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}""", 4, "found '1.0'" },
        { """{"a":{"dtype":"F32","shape":[1e2],"data_offsets":[0,4]}}""", 4, "found '1e2'" },
        { """{"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}}""", 4, "found '18446744073709551616'" },
        { """{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}""", 4, "found '9223372036854775808'" },
        { """{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}""", 4, "more than 2^63 - 1 bytes" },
        { """{"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}}""", 4, "more than 2^63 - 1 bytes" },
        { $$$"""{"a":{"dtype":"U8","shape":[{{{string.Join(',', Enumerable.Repeat(1, 65))}}}],"data_offsets":[0,1]}}""", 1, "at most 64 dimensions, found 65" },

        // Offsets.
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "8 bytes apart for F32 [2], found [0, 4]" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "4 bytes apart for F32 [1], found [4, 0]" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775807,3]}}""", 4, "4 bytes apart" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}}""", 4, "leaves a gap after the start" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 4, "found '-4'" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a': leaves a gap after the start of the data" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "'b': leaves a gap after tensor 'a'" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", 6, "'b': overlaps with tensor 'a'" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "overlaps with tensor" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}}""", 4, "'e': overlaps with tensor 'a'" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[0],"data_offsets":[6,6]}}""", 4, "'e': leaves a gap after tensor 'a'" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "the file is truncated" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "1 bytes belong to no tensor" },
        { "{}", 1, "1 bytes belong to no tensor" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(HostileHeaders))]
    public void Open_HostileHeader_SaysWhatIsWrong(string json, int dataSizeBytes, string expectedMessage)
    {
        UnreadableInputException error = OpenHostile(HeaderBytes.File(json, dataSizeBytes));

        Assert.Contains(expectedMessage, error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.UnreadableInput, error.ExitCode);
    }

    [Theory]
    [InlineData(0UL, "found a length of 0")]
    [InlineData(100_000_001UL, "found a length of 100000001")]
    [InlineData(ulong.MaxValue, "found a length of 18446744073709551615")]
    [InlineData(1UL << 63, "found a length of 9223372036854775808")]
    [InlineData(99_999_999UL, "the file is truncated")]
    public void Open_AbsurdHeaderLength_IsRefusedBeforeAllocating(ulong length, string expectedMessage)
    {
        byte[] file = HeaderBytes.File(HeaderBytes.ValidJson, HeaderBytes.ValidDataSizeBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);
        long before = GC.GetAllocatedBytesForCurrentThread();

        UnreadableInputException error = OpenHostile(file);

        Assert.Contains(expectedMessage, error.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void Open_NotUtf8_IsRefused()
    {
        byte[] json = Encoding.UTF8.GetBytes("""{"aX":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""");
        json[json.AsSpan().IndexOf((byte)'X')] = 0xff;

        Assert.Contains("not UTF-8", OpenHostile(HeaderBytes.File(json, 4)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_EveryTruncation_IsRefused()
    {
        byte[] file = HeaderBytes.File(HeaderBytes.ValidJson, HeaderBytes.ValidDataSizeBytes);
        for (int sizeBytes = 0; sizeBytes < file.Length; sizeBytes++)
        {
            OpenHostile(file[..sizeBytes]);
        }
    }

    [Fact]
    public void Open_GitLfsPointer_SaysSo()
    {
        UnreadableInputException error = OpenHostile("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"u8.ToArray());

        Assert.Contains("Git LFS pointer", error.Message, StringComparison.Ordinal);
        Assert.Contains("git lfs pull", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_NameWithLineBreaks_KeepsMessageOnOneLine()
    {
        string json = """{"a\n\u2028b":{"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]}}""";

        string message = OpenHostile(HeaderBytes.File(json, 1)).Message;

        Assert.Contains("""'a\u000a\u2028b'""", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Open_ValidHeader_ListsTensorsInDataOrder()
    {
        string json =
            """{"late":{"shape":[1,2],"data_offsets":[8,12],"dtype":"BF16"},"none":{"dtype":"I64","shape":[3,0],"data_offsets":[8,8]},"scalar":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"__metadata__":{"k":"v","":""}}    """;
        using SafetensorsFile file = Open(HeaderBytes.File(json, 12));

        Assert.Equal(["scalar", "none", "late"], file.Header.Tensors.Keys);
        Assert.Equal(new Dictionary<string, string> { ["k"] = "v", [""] = "" }, file.Header.Metadata);
        Assert.Equal(8 + json.Length, file.Header.DataOffsetBytes);
        TensorInfo late = file.Header.Tensors["late"];
        Assert.Equal((ElementType.BF16, 2L, 4L, 8 + json.Length + 8L), (late.Type, late.ElementCount, late.SizeBytes, late.FileOffsetBytes));
        Assert.Equal([1, 2], late.Shape);
        Assert.Equal(1, file.Header.Tensors["scalar"].ElementCount);
        Assert.Equal(0, file.Header.Tensors["none"].SizeBytes);
    }

    [Fact]
    public void Open_NoTensors_IsValid()
    {
        using SafetensorsFile file = Open(HeaderBytes.File("{}", 0));

        Assert.Empty(file.Header.Tensors);
        Assert.Empty(file.Header.Metadata);
    }

    private SafetensorsFile Open(byte[] contents)
    {
        string path = _folder["x.safetensors"];
        File.WriteAllBytes(path, contents);
        return SafetensorsFile.Open(path);
    }

    private UnreadableInputException OpenHostile(byte[] contents)
    {
        var error = Assert.Throws<UnreadableInputException>(() => Open(contents));
        Assert.StartsWith(_folder["x.safetensors"], error.Message, StringComparison.Ordinal);
        return error;
    }
}
