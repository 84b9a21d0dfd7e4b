using System.Runtime.InteropServices;
using Offload.Storage.Safetensors;

namespace Offload.Storage.Tests.Safetensors;

public sealed class ReadAsSingleTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ReadAsSingle_EveryBFloat16_IsExact()
    {
        ushort[] values = [.. Enumerable.Range(0, 65536).Select(value => (ushort)value)];

        float[] floats = RoundTrip<ushort>(ElementType.BF16, values);

        Assert.All(floats.Index(), pair => Assert.Equal((uint)pair.Index << 16, BitConverter.SingleToUInt32Bits(pair.Item)));
    }

    [Fact]
    public void ReadAsSingle_EveryHalf_IsExact()
    {
        Half[] values = [.. Enumerable.Range(0, 65536).Select(value => BitConverter.UInt16BitsToHalf((ushort)value))];

        float[] floats = RoundTrip<Half>(ElementType.F16, values);

        for (int index = 0; index < values.Length; index++)
        {
            Assert.Equal(Half.IsNaN(values[index]), float.IsNaN(floats[index]));
            Assert.True(float.IsNaN(floats[index]) || (values[index] == (Half)floats[index] && Half.IsNegative(values[index]) == float.IsNegative(floats[index])));
        }
    }

    [Fact]
    public void ReadAsSingle_Float_IsCopied()
    {
        float[] values = [0f, -0f, 1.5f, float.NaN, float.PositiveInfinity, float.Epsilon];

        Assert.Equal(values, RoundTrip<float>(ElementType.F32, values));
    }

    [Fact]
    public void ReadAsSingle_Double_IsRounded()
    {
        double[] values = [0.1, -1e300, double.NaN, 1 + 1e-10, -3];

        Assert.Equal([0.1f, float.NegativeInfinity, float.NaN, 1f, -3f], RoundTrip<double>(ElementType.F64, values));
    }

    [Theory]
    [InlineData(ElementType.BF16)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.F64)]
    public void ReadAsSingle_PartLargerThanAChunk_EqualsItsPieces(ElementType type)
    {
        const int Count = 300_001;
        using SafetensorsCheckpoint checkpoint = Write(type, Count, TensorLists.Data(new TensorSpec("a", type, Count), 5));
        float[] whole = new float[Count];
        checkpoint.ReadAsSingle("a", 0, whole);

        foreach ((int offset, int length) in new[] { (1, Count - 1), (131_071, 131_073), (Count - 1, 1), (Count, 0), (17, 31) })
        {
            float[] part = new float[length];
            checkpoint.ReadAsSingle("a", offset, part);
            Assert.True(MemoryMarshal.AsBytes(part.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(whole.AsSpan(offset, length))));
        }
    }

    [Fact]
    public void ReadAsSingle_Integers_AreRefused()
    {
        using SafetensorsCheckpoint checkpoint = Write(ElementType.I64, 1, new byte[8]);

        var error = Assert.Throws<UnreadableInputException>(() => checkpoint.ReadAsSingle("a", 0, new float[1]));

        Assert.Contains("tensor 'a': expected F16, BF16, F32 or F64, found I64", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 5)]
    [InlineData(4, 1)]
    [InlineData(long.MaxValue, 1)]
    public void ReadAsSingle_BeyondTensor_Throws(long elementOffset, int count)
    {
        using SafetensorsCheckpoint checkpoint = Write(ElementType.BF16, 4, new byte[8]);

        Assert.Throws<ArgumentOutOfRangeException>(() => checkpoint.ReadAsSingle("a", elementOffset, new float[count]));
    }

    private float[] RoundTrip<T>(ElementType type, T[] values)
        where T : struct
    {
        using SafetensorsCheckpoint checkpoint = Write(type, values.Length, MemoryMarshal.AsBytes(values.AsSpan()));
        float[] floats = new float[values.Length];
        checkpoint.ReadAsSingle("a", 0, floats);
        return floats;
    }

    private SafetensorsCheckpoint Write(ElementType type, int count, ReadOnlySpan<byte> data)
    {
        using (var writer = new SafetensorsWriter(_folder["model.safetensors"], [new("a", type, count)]))
        {
            writer.BeginTensor("a");
            writer.Write(data);
            writer.EndTensor();
            writer.Complete();
        }

        return SafetensorsCheckpoint.Open(_folder.Path);
    }
}
