using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Numerics;

namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>Gradient sums, rounding and AdamW against the CPU's reference, bit for bit.</summary>
internal static unsafe class UpdateChecks
{
    public static void Run(KernelLab lab, Random random, int count, int offset)
    {
        Floats(lab, random, count, offset);
        Squares(lab, random, count, offset);
        foreach (bool isFloat32 in (bool[])[false, true])
        {
            foreach (bool isInPlace in (bool[])[false, true])
            {
                AdamW(lab, random, count, offset, isFloat32, isInPlace);
                lab.Free();
            }
        }
    }

    private static void Floats(KernelLab lab, Random random, int count, int offset)
    {
        string what = $"{count} offset {offset}";
        float[] a = AnyFloats(random, count);
        float[] b = AnyFloats(random, count);
        DeviceArray sum = lab.Of<float>(a, offset);
        lab.Kernels.AddFloats((float*)sum.Address, (float*)lab.Of<float>(b, offset).Address, count);

        // A NaN's bits are the machine's.
        lab.CompareBits<float>("add floats", what, [.. sum.Read<float>(count).Select(Canonical)], [.. a.Zip(b, (x, y) => Canonical(x + y))]);
        DeviceArray rounded = lab.Of<ushort>(new ushort[count], offset);
        lab.Kernels.RoundToBFloat16((float*)lab.Of<float>(a, offset).Address, (ushort*)rounded.Address, count);
        lab.CompareBits<ushort>("round to bfloat16", what, rounded.Read<ushort>(count), [.. a.Select(BFloat16Convert.FromSingle)]);
        lab.Free();
    }

    private static void Squares(KernelLab lab, Random random, int count, int offset)
    {
        float[] values = [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.3) * Math.Pow(10, random.Next(-20, 20))))];
        ushort[] narrow = [.. values.Select(BFloat16Convert.FromSingle)];
        DeviceArray partials = lab.Bytes(CudaKernels.MaxSquarePartials * sizeof(double));
        DeviceArray result = lab.Bytes(sizeof(double));
        foreach (bool isFloat32 in (bool[])[false, true])
        {
            double aligned = 0;
            foreach (int shift in (int[])[0, offset])
            {
                byte* address = isFloat32 ? lab.Of<float>(values, shift).Address : lab.Of<ushort>(narrow, shift).Address;
                lab.Kernels.SumOfSquares(address, isFloat32, count, (double*)partials.Address, (double*)result.Address);
                double sum = result.Read<double>(1)[0];
                aligned = shift == 0 ? sum : aligned;
                lab.CompareBits<double>("sum of squares, any alignment", $"{count} offset {shift}", [sum], [aligned]);
            }

            double expected = isFloat32 ? values.Sum(value => (double)value * value) : narrow.Sum(bits => Math.Pow(BFloat16Convert.ToSingle(bits), 2));
            double error = expected == 0 ? Math.Abs(aligned) : Math.Abs(aligned - expected) / expected;
            lab.Errors["sum of squares"] = Math.Max(error, lab.Errors.GetValueOrDefault("sum of squares"));
            if (!(error <= 1e-12))
            {
                lab.Failures.Add($"sum of squares of {count}: expected {expected}, found {aligned}");
            }
        }

        lab.Free();
    }

    private static void AdamW(KernelLab lab, Random random, int count, int offset, bool isFloat32, bool isInPlace)
    {
        string what = $"{count} offset {offset} float32 {isFloat32} in place {isInPlace}";
        var options = new AdamWOptions(beta1: random.Next(3) == 0 ? 0.4 : 0.9, weightDecay: 0.1);
        var step = new AdamWStep(options, 1e-3, random.Next(1, 1000), random.Next(2) == 0 ? 1 : 0.37f);
        var high = new ushort[count];
        var low = new short[count];
        SplitMaster.Split(AnyFloats(random, count), high, low);
        float[] first = AnyFloats(random, count);
        float[] second = [.. AnyFloats(random, count).Select(value => random.Next(50) == 0 ? value : Math.Abs(value))];
        float[] gradient = AnyFloats(random, count);
        ushort[] narrow = [.. gradient.Select(BFloat16Convert.FromSingle)];
        DeviceArray[] source = [lab.Of<ushort>(high, offset), lab.Of<short>(low, offset), lab.Of<float>(first, offset), lab.Of<float>(second, offset)];
        DeviceArray[] destination = isInPlace ? source
            : [lab.Of<ushort>(high, offset), lab.Of<short>(low, offset), lab.Of<float>(first, offset), lab.Of<float>(second, offset)];
        DeviceArray weights = lab.Empty(count, offset);
        byte* gradientAddress = isFloat32 ? lab.Of<float>(gradient, offset).Address : lab.Of<ushort>(narrow, offset).Address;
        lab.Kernels.AdamW(step, States(source), States(destination), gradientAddress, isFloat32, isInPlace ? null : weights.Address, count);
        fixed (ushort* highs = high)
        fixed (short* lows = low)
        fixed (float* firsts = first)
        fixed (float* seconds = second)
        fixed (float* gradients = gradient)
        fixed (ushort* narrows = narrow)
        {
            var states = new AdamWStates(highs, lows, firsts, seconds);
            AdamWReference.Update(step, states, states, isFloat32 ? GradientPointer.Float32(gradients) : GradientPointer.BFloat16(narrows), count);
        }

        lab.CompareBits<ushort>("adamw: weights", what, destination[0].Read<ushort>(count), high);
        lab.CompareBits<short>("adamw: rest of the masters", what, destination[1].Read<short>(count), low);
        lab.CompareBits<float>("adamw: first moments", what, destination[2].Read<float>(count), first);
        lab.CompareBits<float>("adamw: second moments", what, destination[3].Read<float>(count), second);
        float[] masters = new float[count];
        SplitMaster.Join(high, low, masters);
        if (!isInPlace)
        {
            CompareWeights(lab, "adamw: compute weights", what, weights, high, masters);
        }

        DeviceArray again = lab.Empty(count, offset);
        lab.Kernels.SetWeights(States(destination), again.Address, count);
        CompareWeights(lab, "set weights", what, again, high, masters);
    }

    private static void CompareWeights(KernelLab lab, string kernel, string what, DeviceArray weights, ushort[] high, float[] masters)
    {
        if (lab.Type == ComputeType.BFloat16)
        {
            lab.CompareBits<ushort>(kernel, what, weights.Read<ushort>(high.Length), high);
        }
        else
        {
            lab.CompareBits<float>(kernel, what, weights.Read<float>(high.Length), masters);
        }
    }

    private static AdamWStates States(DeviceArray[] arrays) =>
        new((ushort*)arrays[0].Address, (short*)arrays[1].Address, (float*)arrays[2].Address, (float*)arrays[3].Address);

    private static float Canonical(float value) => float.IsNaN(value) ? float.NaN : value;

    /// <summary>Mostly like weights; some of any bits: subnormals, infinities, NaNs, ties.</summary>
    private static float[] AnyFloats(Random random, int count) =>
    [
        .. Enumerable.Range(0, count).Select(i => random.Next(4) switch
        {
            0 => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)),
            1 => BitConverter.Int32BitsToSingle((random.Next() & 0x7FFF_0000) | 0x8000),
            _ => (float)((random.NextDouble() - 0.5) * 0.1),
        }),
    ];
}
