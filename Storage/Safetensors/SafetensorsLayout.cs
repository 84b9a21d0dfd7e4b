using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;

namespace Offload.Storage.Safetensors;

/// <summary>Where a writer puts each tensor, and the header that says so.</summary>
internal sealed class SafetensorsLayout
{
    private const int DataAlignmentBytes = 8;

    private SafetensorsLayout(byte[] header, IReadOnlyDictionary<string, long> fileOffsetBytes, long fileSizeBytes)
    {
        Header = header;
        FileOffsetBytes = fileOffsetBytes;
        FileSizeBytes = fileSizeBytes;
    }

    /// <summary>The first bytes of the file: length, JSON, spaces up to a multiple of 8 bytes.</summary>
    internal byte[] Header { get; }

    /// <summary>Where the data of each tensor begins, by name, in bytes from the start of the file.</summary>
    internal IReadOnlyDictionary<string, long> FileOffsetBytes { get; }

    /// <summary>Size of the whole file.</summary>
    internal long FileSizeBytes { get; }

    /// <summary>Lays tensors out; each begins at a multiple of its element size, as torch's loader needs.</summary>
    /// <exception cref="ArgumentException">Two tensors have one name, or the header exceeds the format's limit.</exception>
    internal static SafetensorsLayout Create(IReadOnlyList<TensorSpec> tensors)
    {
        // Larger elements first keeps every tensor aligned without gaps; a stable sort keeps tensors of one type in their order.
        var begin = new Dictionary<string, long>(tensors.Count);
        long dataSizeBytes = 0;
        foreach (TensorSpec tensor in tensors.OrderByDescending(tensor => tensor.Type.SizeBytes()))
        {
            if (!begin.TryAdd(tensor.Name, dataSizeBytes))
            {
                throw new ArgumentException($"tensor {DisplayText.Quote(tensor.Name)} occurs twice", nameof(tensors));
            }

            dataSizeBytes = checked(dataSizeBytes + tensor.SizeBytes);
        }

        var json = new ArrayBufferWriter<byte>(1024);
        WriteJson(json, tensors, begin);
        int headerSizeBytes = SafetensorsHeader.LengthSizeBytes + json.WrittenCount;
        headerSizeBytes += -headerSizeBytes & (DataAlignmentBytes - 1);
        int jsonSizeBytes = headerSizeBytes - SafetensorsHeader.LengthSizeBytes;
        if (jsonSizeBytes > SafetensorsHeader.MaxJsonSizeBytes)
        {
            throw new ArgumentException($"the header of {jsonSizeBytes} bytes exceeds the format's {SafetensorsHeader.MaxJsonSizeBytes}", nameof(tensors));
        }

        byte[] header = new byte[headerSizeBytes];
        header.AsSpan().Fill((byte)' ');
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)jsonSizeBytes);
        json.WrittenSpan.CopyTo(header.AsSpan(SafetensorsHeader.LengthSizeBytes));
        Dictionary<string, long> fileOffsetBytes = begin.ToDictionary(pair => pair.Key, pair => checked(headerSizeBytes + pair.Value));
        return new SafetensorsLayout(header, fileOffsetBytes, checked(headerSizeBytes + dataSizeBytes));
    }

    private static void WriteJson(ArrayBufferWriter<byte> output, IReadOnlyList<TensorSpec> tensors, Dictionary<string, long> begin)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteStartObject(SafetensorsHeader.MetadataKey);

        // transformers refuses a file whose metadata does not name a framework.
        json.WriteString("format", "pt");
        json.WriteEndObject();
        foreach (TensorSpec tensor in tensors.OrderBy(tensor => begin[tensor.Name]))
        {
            json.WriteStartObject(tensor.Name);
            json.WriteString("dtype", tensor.Type.Format());
            json.WriteStartArray("shape");
            foreach (long dimension in tensor.Shape)
            {
                json.WriteNumberValue(dimension);
            }

            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(begin[tensor.Name]);
            json.WriteNumberValue(begin[tensor.Name] + tensor.SizeBytes);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
