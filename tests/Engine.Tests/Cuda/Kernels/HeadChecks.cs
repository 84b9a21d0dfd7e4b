using Offload.Engine.Cuda.Kernels;

namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>Norms of heads, rotation and copies against loops in float64.</summary>
internal static unsafe class HeadChecks
{
    private const float Epsilon = 1e-6f;

    /// <param name="lab">Kernels.</param>
    /// <param name="random">Values.</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="tokens">Tokens of each.</param>
    /// <param name="numHeads">Heads.</param>
    /// <param name="numKvHeads">Key/value heads.</param>
    /// <param name="headSize">Elements of a head; even.</param>
    /// <param name="offset">Distance from alignment, in elements.</param>
    public static void Run(KernelLab lab, Random random, int sequences, int tokens, int numHeads, int numKvHeads, int headSize, int offset)
    {
        var shape = new Shape(sequences, tokens, numHeads, numKvHeads, headSize, offset);
        Norm(lab, random, shape, firstHead: 0, numHeads);
        Norm(lab, random, shape, firstHead: numHeads, numKvHeads);
        NormBackward(lab, random, shape, firstHead: numHeads, numKvHeads);
        NormBackward(lab, random, shape, firstHead: 0, numHeads);
        Rotary(lab, random, shape, inverse: false);
        Rotary(lab, random, shape, inverse: true);
        Pack(lab, random, shape, isRotated: false);
        Pack(lab, random, shape, isRotated: true);
        lab.Free();
    }

    private static void Norm(KernelLab lab, Random random, Shape shape, int firstHead, int count)
    {
        float[] packed = lab.Normal(random, (long)shape.Rows * shape.Stride);
        float[] weight = lab.Normal(random, shape.HeadSize, mean: 1);
        DeviceArray device = lab.Elements(packed, shape.Offset);
        lab.Kernels.HeadNormForward(device.Address, shape.Rows, shape.Stride, firstHead, count, shape.HeadSize, lab.Elements(weight).Address, Epsilon);
        double[] expected = [.. packed.Select(value => (double)value)];
        foreach (int start in shape.HeadStarts(shape.Stride, firstHead, count))
        {
            double inverse = Inverse(packed.AsSpan(start, shape.HeadSize));
            for (int i = 0; i < shape.HeadSize; i++)
            {
                expected[start + i] *= inverse * weight[i];
            }
        }

        lab.CompareElements("head norm forward", $"{shape} {firstHead} + {count}", lab.ReadElements(device, packed.Length), expected);
    }

    private static void NormBackward(KernelLab lab, Random random, Shape shape, int firstHead, int count)
    {
        int rawStride = (shape.NumHeads + shape.NumKvHeads) * shape.HeadSize;
        float[] raw = lab.Normal(random, (long)shape.Rows * rawStride);
        float[] gradient = lab.Normal(random, (long)shape.Rows * shape.Stride);
        float[] weight = lab.Normal(random, shape.HeadSize, mean: 1);
        float[] sums = lab.Normal(random, shape.HeadSize);
        DeviceArray device = lab.Elements(gradient, shape.Offset);
        DeviceArray weightSum = lab.Of<float>(sums);
        DeviceArray partials = lab.Bytes((long)CudaKernels.MaxPartialRows * shape.HeadSize * sizeof(float));
        lab.Kernels.HeadNormBackward(
            lab.Elements(raw, shape.Offset).Address, rawStride, device.Address, shape.Stride, shape.Rows, firstHead, count, shape.HeadSize,
            lab.Elements(weight).Address, (float*)weightSum.Address, (float*)partials.Address, Epsilon);
        double[] expected = [.. gradient.Select(value => (double)value)];
        double[] expectedSum = [.. sums.Select(value => (double)value)];
        foreach ((int start, int rawStart) in shape.HeadStarts(shape.Stride, firstHead, count).Zip(shape.HeadStarts(rawStride, firstHead, count)))
        {
            double inverse = Inverse(raw.AsSpan(rawStart, shape.HeadSize));
            double dot = 0;
            for (int i = 0; i < shape.HeadSize; i++)
            {
                double normal = raw[rawStart + i] * inverse;
                dot += gradient[start + i] * weight[i] * normal;
                expectedSum[i] += gradient[start + i] * normal;
            }

            for (int i = 0; i < shape.HeadSize; i++)
            {
                expected[start + i] = (((double)gradient[start + i] * weight[i]) - (raw[rawStart + i] * inverse * dot / shape.HeadSize)) * inverse;
            }
        }

        lab.CompareElements("head norm backward", $"{shape} {firstHead} + {count}", lab.ReadElements(device, gradient.Length), expected);
        lab.CompareFloats("head norm backward: weight", $"{shape} {firstHead} + {count}", weightSum.Read<float>(shape.HeadSize), expectedSum);
    }

    private static void Rotary(KernelLab lab, Random random, Shape shape, bool inverse)
    {
        int count = shape.NumHeads + shape.NumKvHeads;
        float[] packed = lab.Normal(random, (long)shape.Rows * shape.Stride);
        (float[] cosines, float[] sines) = Angles(random, shape);
        DeviceArray device = lab.Elements(packed, shape.Offset);
        lab.Kernels.Rotary(
            device.Address, shape.Rows, shape.Stride, shape.Tokens, count, shape.HeadSize,
            (float*)lab.Of<float>(cosines).Address, (float*)lab.Of<float>(sines).Address, inverse);
        lab.CompareElements("rotary", $"{shape} {inverse}", lab.ReadElements(device, packed.Length), Rotated(packed, shape, count, cosines, sines, inverse));
    }

    private static void Pack(KernelLab lab, Random random, Shape shape, bool isRotated)
    {
        int queryColumns = shape.NumHeads * shape.HeadSize;
        int keyColumns = shape.NumKvHeads * shape.HeadSize;
        float[] q = lab.Normal(random, (long)shape.Rows * queryColumns);
        float[] k = lab.Normal(random, (long)shape.Rows * keyColumns);
        float[] v = lab.Normal(random, (long)shape.Rows * keyColumns);
        (float[] cosines, float[] sines) = Angles(random, shape);
        DeviceArray packed = lab.Empty((long)shape.Rows * shape.Stride, shape.Offset);
        lab.Kernels.PackQkvGradient(
            lab.Elements(q).Address, lab.Elements(k).Address, lab.Elements(v).Address, packed.Address,
            shape.Sequences, shape.Tokens, shape.NumHeads, shape.NumKvHeads, shape.HeadSize,
            isRotated ? (float*)lab.Of<float>(cosines).Address : null, isRotated ? (float*)lab.Of<float>(sines).Address : null);
        var joined = new float[shape.Rows * shape.Stride];
        for (int row = 0; row < shape.Rows; row++)
        {
            Span<float> line = joined.AsSpan(row * shape.Stride, shape.Stride);
            q.AsSpan(row * queryColumns, queryColumns).CopyTo(line);
            k.AsSpan(row * keyColumns, keyColumns).CopyTo(line[queryColumns..]);
            v.AsSpan(row * keyColumns, keyColumns).CopyTo(line[(queryColumns + keyColumns)..]);
        }

        float[] actual = lab.ReadElements(packed, joined.Length);
        if (isRotated)
        {
            double[] expected = Rotated(joined, shape, shape.NumHeads + shape.NumKvHeads, cosines, sines, inverse: true);
            lab.CompareElements("pack gradients, rotated", shape.ToString(), actual, expected);
        }
        else
        {
            lab.CompareBits<float>("copy columns", shape.ToString(), actual, joined);
        }
    }

    private static (float[] Cosines, float[] Sines) Angles(Random random, Shape shape)
    {
        double[] angles = [.. Enumerable.Range(0, shape.Tokens * shape.HeadSize / 2).Select(_ => random.NextDouble() * 6.3)];
        return ([.. angles.Select(angle => (float)Math.Cos(angle))], [.. angles.Select(angle => (float)Math.Sin(angle))]);
    }

    private static double[] Rotated(float[] packed, Shape shape, int count, float[] cosines, float[] sines, bool inverse)
    {
        double[] result = [.. packed.Select(value => (double)value)];
        int half = shape.HeadSize / 2;
        foreach (int start in shape.HeadStarts(shape.Stride, 0, count))
        {
            int position = start / shape.Stride % shape.Tokens;
            for (int i = 0; i < half; i++)
            {
                double cosine = cosines[(position * half) + i];
                double sine = inverse ? -sines[(position * half) + i] : sines[(position * half) + i];
                result[start + i] = (packed[start + i] * cosine) - (packed[start + half + i] * sine);
                result[start + half + i] = (packed[start + half + i] * cosine) + (packed[start + i] * sine);
            }
        }

        return result;
    }

    private static double Inverse(ReadOnlySpan<float> head)
    {
        double square = 0;
        foreach (float value in head)
        {
            square += (double)value * value / head.Length;
        }

        return 1 / Math.Sqrt(square + Epsilon);
    }

    private sealed record Shape(int Sequences, int Tokens, int NumHeads, int NumKvHeads, int HeadSize, int Offset)
    {
        public int Rows => Sequences * Tokens;

        public int Stride => (NumHeads + (2 * NumKvHeads)) * HeadSize;

        public IEnumerable<int> HeadStarts(int stride, int first, int count) =>
            from row in Enumerable.Range(0, Rows) from head in Enumerable.Range(first, count) select (row * stride) + (head * HeadSize);
    }
}
