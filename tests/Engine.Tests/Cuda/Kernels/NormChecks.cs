using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;

namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>Norms and column sums against loops in float64.</summary>
internal static unsafe class NormChecks
{
    private const float Epsilon = 1e-5f;

    /// <summary>Of a few columns, nothing but rounding errors is left: the norm takes one or two degrees of freedom.</summary>
    private const int MinNormWidth = 8;

    public static void Run(KernelLab lab, Random random, int rows, int width, int offset)
    {
        foreach (NormKind kind in width < MinNormWidth ? [] : Enum.GetValues<NormKind>())
        {
            Forward(lab, random, kind, rows, width, offset);
            for (int sharing = 0; sharing < 4; sharing++)
            {
                Backward(lab, random, kind, rows, width, offset, sharing);
            }

            lab.Free();
        }

        ColumnSums(lab, random, rows, width, offset);
        lab.Free();
    }

    private static void Forward(KernelLab lab, Random random, NormKind kind, int rows, int width, int offset)
    {
        string what = $"{kind} {rows} x {width} offset {offset}";
        bool isLayerNorm = kind == NormKind.LayerNorm;
        float[] x = lab.Normal(random, (long)rows * width, scale: 2, mean: 0.5);
        float[] residual = lab.Normal(random, x.Length);
        float[] weight = lab.Normal(random, width, mean: 1);
        float[] bias = lab.Normal(random, width);
        DeviceArray deviceX = lab.Elements(x, offset);
        DeviceArray deviceResidual = lab.Elements(residual, offset);
        DeviceArray deviceWeight = lab.Elements(weight);
        DeviceArray deviceBias = lab.Elements(bias);
        DeviceArray y = lab.Empty(x.Length, offset);
        byte* biasAddress = isLayerNorm ? deviceBias.Address : null;
        lab.Kernels.NormForward(kind, deviceX.Address, deviceWeight.Address, biasAddress, y.Address, rows, width, Epsilon);
        (double[] expected, _, _) = Expected(x, weight, isLayerNorm ? bias : null, rows, width);
        lab.CompareElements("norm forward", what, lab.ReadElements(y, x.Length), expected);

        lab.Kernels.AddNormForward(
            kind, deviceX.Address, deviceResidual.Address, deviceX.Address, deviceWeight.Address, biasAddress, y.Address, rows, width, Epsilon);
        float[] sum = [.. x.Zip(residual, (a, b) => lab.Rounded(a + b))];
        lab.CompareBits<float>("add norm forward: sum", what, lab.ReadElements(deviceX, x.Length), sum);
        (expected, _, _) = Expected(sum, weight, isLayerNorm ? bias : null, rows, width);
        lab.CompareElements("add norm forward", what, lab.ReadElements(y, x.Length), expected);
    }

    private static void Backward(KernelLab lab, Random random, NormKind kind, int rows, int width, int offset, int sharing)
    {
        string what = $"{kind} {rows} x {width} offset {offset} sharing {sharing}";
        bool isLayerNorm = kind == NormKind.LayerNorm;
        float[] x = lab.Normal(random, (long)rows * width, scale: 2, mean: 0.5);
        float[] gradY = lab.Normal(random, x.Length);
        float[] addend = lab.Normal(random, x.Length);
        float[] weight = lab.Normal(random, width, mean: 1);
        float[] bias = lab.Normal(random, width);
        float[] sums = lab.Normal(random, width);
        DeviceArray deviceX = lab.Elements(x, offset);
        DeviceArray deviceGradY = lab.Elements(gradY, offset);
        DeviceArray deviceAddend = lab.Elements(addend, offset);
        DeviceArray deviceWeight = lab.Elements(weight);
        DeviceArray deviceBias = lab.Elements(bias);
        DeviceArray weightSum = lab.Of<float>(sums);
        DeviceArray biasSum = lab.Of<float>(sums);
        DeviceArray partials = lab.Bytes(2L * PartialBytes(width));
        DeviceArray gradX = sharing == 1 ? deviceGradY : sharing == 2 ? deviceAddend : lab.Empty(x.Length, offset);
        DeviceArray? y = sharing switch { 0 => null, 3 => deviceGradY, _ => lab.Empty(x.Length, offset) };
        lab.Kernels.NormBackward(
            kind, deviceX.Address, deviceWeight.Address, isLayerNorm ? deviceBias.Address : null, deviceGradY.Address, sharing == 0 ? null : deviceAddend.Address,
            gradX.Address, y is null ? null : y.Address, (float*)weightSum.Address, isLayerNorm ? (float*)biasSum.Address : null, (float*)partials.Address,
            rows, width, Epsilon);

        (double[] expectedY, double[] normal, double[] inverse) = Expected(x, weight, isLayerNorm ? bias : null, rows, width);
        var expected = new double[x.Length];
        double[] expectedWeight = [.. sums.Select(value => (double)value)];
        double[] expectedBias = [.. sums.Select(value => (double)value)];
        for (int row = 0; row < rows; row++)
        {
            double dot = 0;
            double sum = 0;
            for (int i = 0; i < width; i++)
            {
                int at = (row * width) + i;
                dot += gradY[at] * weight[i] * normal[at];
                sum += gradY[at] * weight[i];
                expectedWeight[i] += gradY[at] * normal[at];
                expectedBias[i] += gradY[at];
            }

            for (int i = 0; i < width; i++)
            {
                int at = (row * width) + i;
                double centred = isLayerNorm ? sum / width : 0;
                expected[at] = ((((double)gradY[at] * weight[i]) - (normal[at] * dot / width) - centred) * inverse[row]) + (sharing == 0 ? 0 : addend[at]);
            }
        }

        lab.CompareElements("norm backward", what, lab.ReadElements(gradX, x.Length), expected);
        lab.CompareFloats("norm backward: weight", what, weightSum.Read<float>(width), expectedWeight);
        if (isLayerNorm)
        {
            lab.CompareFloats("norm backward: bias", what, biasSum.Read<float>(width), expectedBias);
        }

        if (y is not null)
        {
            lab.CompareElements("norm backward: y", what, lab.ReadElements(y, x.Length), expectedY);
        }
    }

    private static void ColumnSums(KernelLab lab, Random random, int rows, int width, int offset)
    {
        float[] matrix = lab.Normal(random, (long)rows * width);
        float[] before = lab.Normal(random, width);
        DeviceArray deviceMatrix = lab.Elements(matrix, offset);
        DeviceArray sums = lab.Of<float>(before);
        DeviceArray partials = lab.Bytes(PartialBytes(width));
        lab.Kernels.ColumnSums(deviceMatrix.Address, (float*)sums.Address, (float*)partials.Address, rows, width);
        double[] expected = [.. before.Select(value => (double)value)];
        for (int at = 0; at < matrix.Length; at++)
        {
            expected[at % width] += matrix[at];
        }

        lab.CompareFloats("column sums", $"{rows} x {width} offset {offset}", sums.Read<float>(width), expected);
    }

    private static long PartialBytes(int width) => (long)CudaKernels.MaxPartialRows * width * sizeof(float);

    private static (double[] Y, double[] Normal, double[] Inverse) Expected(float[] x, float[] weight, float[]? bias, int rows, int width)
    {
        var y = new double[x.Length];
        var normal = new double[x.Length];
        var inverse = new double[rows];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> line = x.AsSpan(row * width, width);
            double mean = 0;
            double square = 0;
            if (bias is not null)
            {
                foreach (float value in line)
                {
                    mean += value / (double)width;
                }
            }

            foreach (float value in line)
            {
                square += (value - mean) * (value - mean) / width;
            }

            inverse[row] = 1 / Math.Sqrt(square + Epsilon);
            for (int i = 0; i < width; i++)
            {
                int at = (row * width) + i;
                normal[at] = (x[at] - mean) * inverse[row];
                y[at] = (normal[at] * weight[i]) + (bias is null ? 0 : bias[i]);
            }
        }

        return (y, normal, inverse);
    }
}
