using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Offload.Engine.Optimizers;
using Offload.Storage.Numerics;

namespace Offload.Engine.Tests.Optimizers;

/// <summary>Pinned state and gradient arrays of a few parameters, with any start offset.</summary>
internal sealed unsafe class AdamWArrays(int length)
{
    public ushort[] High { get; } = GC.AllocateArray<ushort>(length, pinned: true);

    public short[] Low { get; } = GC.AllocateArray<short>(length, pinned: true);

    public float[] First { get; } = GC.AllocateArray<float>(length, pinned: true);

    public float[] Second { get; } = GC.AllocateArray<float>(length, pinned: true);

    public float[] Gradient { get; } = GC.AllocateArray<float>(length, pinned: true);

    public ushort[] GradientBFloat16 { get; } = GC.AllocateArray<ushort>(length, pinned: true);

    public int Length => High.Length;

    public AdamWStates States => new(Pointer(High), Pointer(Low), Pointer(First), Pointer(Second));

    public static T* Pointer<T>(T[] pinned)
        where T : unmanaged => (T*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(pinned));

    public GradientPointer GradientOf(bool bfloat16) =>
        bfloat16 ? GradientPointer.BFloat16(Pointer(GradientBFloat16)) : GradientPointer.Float32(Pointer(Gradient));

    public float[] Masters()
    {
        float[] masters = new float[Length];
        SplitMaster.Join(High, Low, masters);
        return masters;
    }

    public void SetMasters(ReadOnlySpan<float> masters) => SplitMaster.Split(masters, High, Low);

    public AdamWArrays Copy()
    {
        var copy = new AdamWArrays(Length);
        High.CopyTo(copy.High, 0);
        Low.CopyTo(copy.Low, 0);
        First.CopyTo(copy.First, 0);
        Second.CopyTo(copy.Second, 0);
        Gradient.CopyTo(copy.Gradient, 0);
        GradientBFloat16.CopyTo(copy.GradientBFloat16, 0);
        return copy;
    }

    /// <summary>Fails unless all four state arrays hold the same bits.</summary>
    public void AssertSameStates(AdamWArrays other)
    {
        Assert.Equal(High, other.High);
        Assert.Equal(Low, other.Low);
        Assert.Equal(MemoryMarshal.Cast<float, uint>(First), MemoryMarshal.Cast<float, uint>(other.First));
        Assert.Equal(MemoryMarshal.Cast<float, uint>(Second), MemoryMarshal.Cast<float, uint>(other.Second));
    }

    /// <summary>What training meets: weights and gradients of any size within reason, moments that fit them.</summary>
    public static AdamWArrays Ordinary(int length, int seed)
    {
        var random = new Random(seed);
        var arrays = new AdamWArrays(length);
        float[] masters = new float[length];
        for (int i = 0; i < length; i++)
        {
            masters[i] = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-3, 1)));
            arrays.Gradient[i] = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-4, 1)));
            arrays.GradientBFloat16[i] = BFloat16Convert.FromSingle(arrays.Gradient[i]);
            arrays.First[i] = (float)(random.NextDouble() - 0.5) * 0.1f;
            arrays.Second[i] = (float)random.NextDouble() * 0.01f;
        }

        arrays.SetMasters(masters);
        return arrays;
    }

    /// <summary>Any bits at all, and every combination of special values.</summary>
    public static AdamWArrays AnyBits(int length, int seed)
    {
        float[] special =
        [
            0f, -0f, 1f, -1f, float.Epsilon, -float.Epsilon, 1.1754943e-38f, 1e-40f, 1e-20f, float.MaxValue, -float.MaxValue,
            float.PositiveInfinity, float.NegativeInfinity, float.NaN, BitConverter.UInt32BitsToSingle(0x7F80_0001), BitConverter.UInt32BitsToSingle(0xFFFF_FFFF),
        ];
        var random = new Random(seed);
        var arrays = new AdamWArrays(length);
        float Next() => random.Next(4) == 0
            ? BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32))
            : special[random.Next(special.Length)];
        for (int i = 0; i < length; i++)
        {
            arrays.High[i] = random.Next(3) == 0 ? (ushort)random.Next(1 << 16) : (ushort)(BitConverter.SingleToUInt32Bits(Next()) >> 16);
            arrays.Low[i] = random.Next(3) == 0 ? (short)0 : (short)random.Next(1 << 16);
            arrays.First[i] = Next();
            arrays.Second[i] = Next();
            arrays.Gradient[i] = Next();
            arrays.GradientBFloat16[i] = (ushort)(BitConverter.SingleToUInt32Bits(Next()) >> 16);
        }

        return arrays;
    }
}
