namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>Cross-entropy and embeddings against loops.</summary>
internal static unsafe class LossChecks
{
    public static void Run(KernelLab lab, Random random, int rows, int vocabulary, int offset)
    {
        string what = $"{rows} x {vocabulary} offset {offset}";
        float[] logits = lab.Normal(random, (long)rows * vocabulary, scale: 4);
        int[] targets = [.. Enumerable.Range(0, rows).Select(_ => random.Next(4) == 0 ? -100 : random.Next(vocabulary))];
        const float Scale = 0.25f;
        DeviceArray device = lab.Elements(logits, offset);
        DeviceArray deviceTargets = lab.Of<int>(targets);
        DeviceArray losses = lab.Bytes(rows * sizeof(float));
        DeviceArray sum = lab.Bytes(sizeof(double));
        lab.Kernels.CrossEntropy(device.Address, (int*)deviceTargets.Address, rows, vocabulary, Scale, withGradient: false, (float*)losses.Address);
        lab.CompareBits<float>("cross entropy: logits kept", what, lab.ReadElements(device, logits.Length), logits);
        float[] lossesAlone = losses.Read<float>(rows);
        lab.Kernels.CrossEntropy(device.Address, (int*)deviceTargets.Address, rows, vocabulary, Scale, withGradient: true, (float*)losses.Address);
        lab.Kernels.SumLosses((float*)losses.Address, rows, (double*)sum.Address);
        var expected = new double[logits.Length];
        var expectedLosses = new double[rows];
        for (int row = 0; row < rows; row++)
        {
            if (targets[row] >= 0)
            {
                ReadOnlySpan<float> line = logits.AsSpan(row * vocabulary, vocabulary);
                double total = 0;
                foreach (float logit in line)
                {
                    total += Math.Exp(logit);
                }

                expectedLosses[row] = Math.Log(total) - line[targets[row]];
                for (int i = 0; i < vocabulary; i++)
                {
                    expected[(row * vocabulary) + i] = ((Math.Exp(line[i]) / total) - (i == targets[row] ? 1 : 0)) * Scale;
                }
            }
        }

        float[] actualLosses = losses.Read<float>(rows);
        lab.CompareElements("cross entropy: gradient", what, lab.ReadElements(device, logits.Length), expected);
        lab.CompareFloats("cross entropy: loss", what, actualLosses, expectedLosses);
        lab.CompareBits<float>("cross entropy: loss alone", what, actualLosses, lossesAlone);
        lab.CompareFloats("sum of losses", what, [(float)sum.Read<double>(1)[0]], [actualLosses.Sum(loss => (double)loss)]);
        lab.Free();
    }

    public static void RunEmbeddings(KernelLab lab, Random random, int sequences, int tokens, int vocabulary, int width, int offset)
    {
        string what = $"{sequences} x {tokens} of {vocabulary} x {width} offset {offset}";
        int rows = sequences * tokens;
        float[] table = lab.Normal(random, (long)vocabulary * width);
        float[] positions = lab.Normal(random, (long)tokens * width);
        float[] gradient = lab.Normal(random, (long)rows * width);

        // Small ids are frequent, as in text: some have many rows.
        int[] ids = [.. Enumerable.Range(0, rows).Select(_ => (int)(vocabulary * Math.Pow(random.NextDouble(), 6)))];
        DeviceArray deviceIds = lab.Of<int>(ids);
        DeviceArray deviceTable = lab.Elements(table, offset);
        DeviceArray output = lab.Empty((long)rows * width);
        foreach (bool hasPositions in (bool[])[false, true])
        {
            byte* positionAddress = hasPositions ? lab.Elements(positions).Address : null;
            lab.Kernels.EmbeddingForward((int*)deviceIds.Address, deviceTable.Address, positionAddress, output.Address, sequences, tokens, width);
            var expected = new float[rows * width];
            for (int at = 0; at < expected.Length; at++)
            {
                int row = at / width;
                float value = table[(ids[row] * width) + (at % width)];
                expected[at] = hasPositions ? lab.Rounded(value + positions[(row % tokens * width) + (at % width)]) : value;
            }

            lab.CompareBits<float>("embedding forward", what, lab.ReadElements(output, expected.Length), expected);
        }

        Backward(lab, random, what, ids, gradient, vocabulary, width, offset);
        float[] before = lab.Normal(random, (long)tokens * width);
        DeviceArray positionSum = lab.Of<float>(before);
        lab.Kernels.PositionBackward(lab.Elements(gradient, offset).Address, (float*)positionSum.Address, sequences, tokens, width);
        double[] expectedPositions = [.. before.Select(value => (double)value)];
        for (int at = 0; at < gradient.Length; at++)
        {
            expectedPositions[at % (tokens * width)] += gradient[at];
        }

        lab.CompareFloats("position backward", what, positionSum.Read<float>(before.Length), expectedPositions);
        lab.Free();
    }

    private static void Backward(KernelLab lab, Random random, string what, int[] ids, float[] gradient, int vocabulary, int width, int offset)
    {
        int[] order = [.. Enumerable.Range(0, ids.Length).OrderBy(row => ids[row])];
        int[] distinct = [.. ids.Distinct().Order()];
        int[] starts = [.. distinct.Select(id => Array.FindIndex(order, row => ids[row] == id)), order.Length];
        int paddingId = random.Next(2) == 0 ? -1 : distinct[random.Next(distinct.Length)];
        float[] before = lab.Normal(random, (long)vocabulary * width);
        DeviceArray sums = lab.Of<float>(before);
        lab.Kernels.EmbeddingBackward(
            (int*)lab.Of<int>(distinct).Address, (int*)lab.Of<int>(starts).Address, (int*)lab.Of<int>(order).Address, distinct.Length,
            lab.Elements(gradient, offset).Address, (float*)sums.Address, width, paddingId);
        float[] exact = [.. before];
        double[] expected = [.. before.Select(value => (double)value)];
        for (int at = 0; at < gradient.Length; at++)
        {
            int id = ids[at / width];
            if (id != paddingId)
            {
                exact[(id * width) + (at % width)] += gradient[at];
                expected[(id * width) + (at % width)] += gradient[at];
            }
        }

        float[] actual = sums.Read<float>(before.Length);
        lab.CompareFloats("embedding backward", what, actual, expected);

        // Rows of ids that are not frequent are added one by one.
        int[] rare = [.. Enumerable.Range(0, vocabulary).Where(id => Array.IndexOf(distinct, id) is var i && (i < 0 || starts[i + 1] - starts[i] <= 32))];
        lab.CompareBits<float>("embedding backward, bits", what, Rows(actual, rare, width), Rows(exact, rare, width));
    }

    private static float[] Rows(float[] matrix, int[] rows, int width) => [.. rows.SelectMany(row => matrix.AsSpan(row * width, width).ToArray())];
}
