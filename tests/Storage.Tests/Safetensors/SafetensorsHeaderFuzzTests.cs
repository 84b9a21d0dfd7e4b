using System.Buffers.Binary;
using System.Text;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Safetensors;

public sealed class SafetensorsHeaderFuzzTests
{
    private const int NumCases = 4000;
    private const long MaxAllocatedBytesPerCase = 1 << 20;

    /// <summary>Pieces that break or almost break a header.</summary>
    private static readonly string[] Dictionary =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "0", "-1", "4", "8", "12", "1e9", "9223372036854775807",
        "18446744073709551615", "null", "true", "F64", "F8_E4M3", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "\"a\"", " ", "\n", "\0",
    ];

    [Fact]
    public void Open_MutatedFile_IsReadOrRefusedInBoundedMemory()
    {
        using var folder = new TemporaryFolder();
        string path = folder["x.safetensors"];
        byte[] valid = HeaderBytes.File(HeaderBytes.ValidJson, HeaderBytes.ValidDataSizeBytes);
        var random = new Random(20240607);
        int numRefused = 0;
        for (int index = 0; index < NumCases; index++)
        {
            byte[] mutated = Mutate(valid, random);

            // A new file: ext4 flushes one that is truncated and written again.
            File.Delete(path);
            File.WriteAllBytes(path, mutated);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(path);
                CheckInvariants(file, mutated.Length);
            }
            catch (UnreadableInputException error)
            {
                Assert.DoesNotContain('\n', error.Message);
                numRefused++;
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MaxAllocatedBytesPerCase);
        }

        // Both outcomes must occur, or the test tests nothing.
        Assert.InRange(numRefused, NumCases / 2, NumCases - 20);
    }

    private static void CheckInvariants(SafetensorsFile file, long fileSizeBytes)
    {
        long position = file.Header.DataOffsetBytes;
        foreach (TensorInfo tensor in file.Header.Tensors.Values)
        {
            Assert.Equal(position, tensor.FileOffsetBytes);
            file.Read(tensor, 0, new byte[tensor.SizeBytes]);
            position += tensor.SizeBytes;
        }

        Assert.Equal(fileSizeBytes, position);
    }

    private static byte[] Mutate(byte[] valid, Random random)
    {
        int headerSizeBytes = (int)BinaryPrimitives.ReadInt64LittleEndian(valid);
        List<byte> json = [.. valid.AsSpan(8, headerSizeBytes)];
        int numMutations = random.Next(1, 4);
        for (int index = 0; index < numMutations; index++)
        {
            int position = random.Next(json.Count);
            int count = Math.Min(random.Next(1, 12), json.Count - position);
            switch (random.Next(6))
            {
                case 0:
                    json[position] = (byte)random.Next(256);
                    break;
                case 1:
                    json[position] = (byte)random.Next(0x20, 0x7f);
                    break;
                case 2:
                    json.RemoveRange(position, Math.Min(count, json.Count - 1));
                    break;
                case 3:
                    json.InsertRange(position, Encoding.UTF8.GetBytes(Dictionary[random.Next(Dictionary.Length)]));
                    break;
                case 4:
                    json.InsertRange(random.Next(json.Count), json.GetRange(position, count));
                    break;
                default:
                    // Another digit keeps the JSON valid, so that the checks behind the parser are reached.
                    int digit = json.FindIndex(position, character => character is >= (byte)'0' and <= (byte)'9');
                    json[Math.Max(digit, 0)] = (byte)('0' + random.Next(10));
                    break;
            }
        }

        byte[] mutated = HeaderBytes.File([.. json], HeaderBytes.ValidDataSizeBytes);
        return random.Next(10) switch
        {
            0 => mutated[..random.Next(mutated.Length)],
            1 => WithLength(mutated, random.NextInt64()),
            2 => WithLength(mutated, json.Count + random.Next(-3, 4)),
            _ => mutated,
        };
    }

    private static byte[] WithLength(byte[] file, long length)
    {
        BinaryPrimitives.WriteInt64LittleEndian(file, length);
        return file;
    }
}
