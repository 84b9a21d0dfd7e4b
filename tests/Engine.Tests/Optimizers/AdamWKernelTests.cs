using Offload.Engine.Optimizers;
using Offload.Storage.Numerics;

namespace Offload.Engine.Tests.Optimizers;

public sealed class AdamWKernelTests
{
    private static readonly AdamWStep[] Steps =
    [
        new(new AdamWOptions(), 1e-3, step: 1),
        new(new AdamWOptions(0.9, 0.95, 1e-6, 0.1), 3e-4, step: 1000, gradientScale: 0.37f),
        new(new AdamWOptions(0.0, 0.5), 1.0, step: 2),
    ];

    public static TheoryData<SimdWidth, bool> Kernels => new()
    {
        { SimdWidth.Scalar, false },
        { SimdWidth.Scalar, true },
        { SimdWidth.Vector256, false },
        { SimdWidth.Vector256, true },
        { SimdWidth.Vector512, false },
        { SimdWidth.Vector512, true },
    };

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Update_AnyBits_AreTheReferenceBits(SimdWidth width, bool bfloat16)
    {
        foreach (AdamWStep step in Steps)
        {
            AdamWArrays expected = AdamWArrays.AnyBits(20_011, seed: 3);
            AdamWArrays actual = expected.Copy();
            for (int repeat = 0; repeat < 3; repeat++)
            {
                AdamWReference.Update(step, expected.States, expected.States, expected.GradientOf(bfloat16), expected.Length);
                AdamWKernel.Update(step, actual.States, actual.States, actual.GradientOf(bfloat16), actual.Length, width);
                expected.AssertSameStates(actual);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Update_AnyLengthAndStart_ChangesThatRangeOnly(SimdWidth width, bool bfloat16)
    {
        AdamWArrays before = AdamWArrays.Ordinary(140, seed: 4);
        AdamWArrays whole = before.Copy();
        AdamWReference.Update(Steps[1], whole.States, whole.States, whole.GradientOf(bfloat16), whole.Length);
        foreach (int start in (int[])[0, 1, 2, 7, 33])
        {
            for (int length = 0; length <= 100; length++)
            {
                AdamWArrays actual = before.Copy();
                AdamWStates states = actual.States.From(start);
                AdamWKernel.Update(Steps[1], states, states, actual.GradientOf(bfloat16).From(start), length, width);
                AdamWArrays expected = before.Copy();
                foreach ((Array from, Array to) in (ReadOnlySpan<(Array, Array)>)
                    [(whole.High, expected.High), (whole.Low, expected.Low), (whole.First, expected.First), (whole.Second, expected.Second)])
                {
                    Array.Copy(from, start, to, start, length);
                }

                expected.AssertSameStates(actual);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Update_IntoOtherArrays_LeavesTheSourceAsItWas(SimdWidth width, bool bfloat16)
    {
        AdamWArrays source = AdamWArrays.Ordinary(75, seed: 5);
        AdamWArrays untouched = source.Copy();
        AdamWArrays expected = source.Copy();
        var destination = new AdamWArrays(75);
        AdamWKernel.Update(Steps[0], source.States, destination.States, source.GradientOf(bfloat16), 75, width);
        AdamWReference.Update(Steps[0], expected.States, expected.States, expected.GradientOf(bfloat16), 75);
        expected.AssertSameStates(destination);
        untouched.AssertSameStates(source);
    }

    [Fact]
    public void Update_NaNGradient_GivesTheOneNaN()
    {
        AdamWArrays arrays = AdamWArrays.Ordinary(33, seed: 6);
        Array.Fill(arrays.Gradient, BitConverter.UInt32BitsToSingle(0xFFAB_CDEF));
        AdamWKernel.Update(Steps[0], arrays.States, arrays.States, arrays.GradientOf(bfloat16: false), arrays.Length);
        Assert.All(arrays.High, high => Assert.Equal(0x7FC0, high));
        Assert.All(arrays.Low, low => Assert.Equal(0, low));
        Assert.All(arrays.First, value => Assert.Equal(0x7FC0_0000u, BitConverter.SingleToUInt32Bits(value)));
        Assert.All(arrays.Second, value => Assert.Equal(0x7FC0_0000u, BitConverter.SingleToUInt32Bits(value)));
    }

    [Fact]
    public void Update_SubnormalMoments_AreNotFlushed()
    {
        var arrays = new AdamWArrays(33);
        Array.Fill(arrays.Gradient, 1e-39f);
        Array.Fill(arrays.Second, 1e-40f);
        AdamWKernel.Update(Steps[0], arrays.States, arrays.States, arrays.GradientOf(bfloat16: false), arrays.Length);
        Assert.All(arrays.First, value => Assert.InRange(value, 0.99e-40f, 1.01e-40f));
        Assert.All(arrays.Second, value => Assert.InRange(value, 0.998e-40f, 0.9995e-40f));
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Update_TenSteps_AgreeWithAdamWInFloat64(SimdWidth width, bool bfloat16)
    {
        const int length = 301;
        const double learningRate = 1e-2;
        foreach (AdamWOptions options in (AdamWOptions[])[new(), new(0.95, 0.99, 1e-7, 0.0), new(0.3, 0.9, 1e-8, 0.2)])
        {
            AdamWArrays arrays = AdamWArrays.Ordinary(length, seed: 7);
            Array.Clear(arrays.First);
            Array.Clear(arrays.Second);
            double[] weights = Array.ConvertAll(arrays.Masters(), weight => (double)weight);
            double[] first = new double[length];
            double[] second = new double[length];
            for (int step = 1; step <= 10; step++)
            {
                AdamWArrays fresh = AdamWArrays.Ordinary(length, seed: 100 + step);
                fresh.Gradient.CopyTo(arrays.Gradient, 0);
                fresh.GradientBFloat16.CopyTo(arrays.GradientBFloat16, 0);
                AdamWKernel.Update(
                    new AdamWStep(options, learningRate, step), arrays.States, arrays.States, arrays.GradientOf(bfloat16), length, width);
                for (int i = 0; i < length; i++)
                {
                    double gradient = bfloat16 ? BFloat16Convert.ToSingle(arrays.GradientBFloat16[i]) : arrays.Gradient[i];
                    first[i] = (options.Beta1 * first[i]) + ((1 - options.Beta1) * gradient);
                    second[i] = (options.Beta2 * second[i]) + ((1 - options.Beta2) * gradient * gradient);
                    double correctedFirst = first[i] / (1 - Math.Pow(options.Beta1, step));
                    double correctedSecond = second[i] / (1 - Math.Pow(options.Beta2, step));
                    weights[i] -= learningRate * ((options.WeightDecay * weights[i]) + (correctedFirst / (Math.Sqrt(correctedSecond) + options.Epsilon)));
                }
            }

            float[] masters = arrays.Masters();
            for (int i = 0; i < length; i++)
            {
                Assert.InRange(masters[i] - weights[i], -1e-6 * Math.Max(Math.Abs(weights[i]), learningRate), 1e-6 * Math.Max(Math.Abs(weights[i]), learningRate));
                Assert.InRange(arrays.Second[i] / second[i], 1 - 1e-6, 1 + 1e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Update_SplitMaster_TrainsAsASeparateFloat32MasterDoes(SimdWidth width, bool bfloat16)
    {
        const int length = 1003;
        AdamWArrays arrays = AdamWArrays.Ordinary(length, seed: 8);
        float[] masters = arrays.Masters();
        float[] first = [.. arrays.First];
        float[] second = [.. arrays.Second];
        for (int stepNumber = 1; stepNumber <= 30; stepNumber++)
        {
            AdamWArrays fresh = AdamWArrays.Ordinary(length, seed: 200 + stepNumber);
            fresh.Gradient.CopyTo(arrays.Gradient, 0);
            fresh.GradientBFloat16.CopyTo(arrays.GradientBFloat16, 0);
            var step = new AdamWStep(new AdamWOptions(), 1e-3, stepNumber, 0.9f);
            AdamWKernel.Update(step, arrays.States, arrays.States, arrays.GradientOf(bfloat16), length, width);
            for (int i = 0; i < length; i++)
            {
                float gradient = bfloat16 ? BitConverter.UInt32BitsToSingle((uint)arrays.GradientBFloat16[i] << 16) : arrays.Gradient[i];
                (masters[i], first[i], second[i]) = AdamWReference.UpdateElement(step, gradient, masters[i], first[i], second[i]);

                // The weight that the next forward uses: the nearest bfloat16, a tie away from zero.
                uint bits = BitConverter.SingleToUInt32Bits(masters[i]);
                Assert.Equal((ushort)((bits >> 16) + ((bits >> 15) & 1)), arrays.High[i]);
            }

            Assert.Equal(masters, arrays.Masters());
        }
    }
}
