using System.Buffers.Binary;
using System.Text;

namespace Offload.Storage.Tests.Safetensors;

/// <summary>Makes files byte by byte, independent of the writer.</summary>
internal static class HeaderBytes
{
    /// <summary>Two tensors of 8 and 4 bytes.</summary>
    internal const string ValidJson =
        """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}}""";

    internal const int ValidDataSizeBytes = 12;

    internal static byte[] File(string json, int dataSizeBytes) => File(Encoding.UTF8.GetBytes(json), dataSizeBytes);

    internal static byte[] File(byte[] json, int dataSizeBytes)
    {
        byte[] file = new byte[8 + json.Length + dataSizeBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        for (int index = 0; index < dataSizeBytes; index++)
        {
            file[8 + json.Length + index] = (byte)(index + 1);
        }

        return file;
    }
}
