using System.IO.Hashing;
using System.Text;
using Offload.Engine.Models;

namespace Offload.Engine.Hub;

/// <summary>
/// Random weights for training from scratch: matrices normal with deviation 0.02, those that write to the residual stream divided by
/// sqrt(2 * layers) (GPT-2's scheme), norms one, biases zero. A function of seed, tensor name and index alone.
/// </summary>
internal static class RandomInitialization
{
    private const double Deviation = 0.02;
    private const int ChunkElements = 1 << 18;

    /// <summary>Suffixes of the matrices that write to the residual stream.</summary>
    private static readonly string[] ResidualSuffixes = ["o_proj.weight", "out_proj.weight", "down_proj.weight", "fc2.weight", "c_proj.weight"];

    /// <summary>Writes all masters.</summary>
    /// <param name="weights">Where to.</param>
    /// <param name="seed">Of the numbers.</param>
    /// <param name="cancellation">Stops between chunks.</param>
    public static void Fill(IMasterWeightsTarget weights, long seed, CancellationToken cancellation = default)
    {
        ModelLayout layout = weights.Layout;
        var buffer = new float[ChunkElements];
        foreach (UnitLayout unit in layout.Units)
        {
            foreach (ParameterInfo parameter in unit.Parameters)
            {
                bool isResidual = ResidualSuffixes.Any(suffix => parameter.Name.EndsWith(suffix, StringComparison.Ordinal));
                double deviation = isResidual ? Deviation / Math.Sqrt(2.0 * layout.Config.NumLayers) : Deviation;
                ulong key = XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(parameter.Name), seed);
                for (long start = 0; start < parameter.Count; start += ChunkElements)
                {
                    cancellation.ThrowIfCancellationRequested();
                    int count = (int)Math.Min(ChunkElements, parameter.Count - start);
                    if (parameter.IsMatrix)
                    {
                        FillNormal(buffer, count, deviation, key, start);
                    }
                    else
                    {
                        buffer.AsSpan(0, count).Fill(parameter.Name.EndsWith(".bias", StringComparison.Ordinal) ? 0 : 1);
                    }

                    weights.WriteMasters(unit.Index, parameter.Offset + start, buffer.AsSpan(0, count));
                }
            }
        }
    }

    /// <summary>On all processors: some 40 ns a number, and models have billions. Each number is a function of its index alone.</summary>
    private static void FillNormal(float[] buffer, int count, double deviation, ulong key, long start)
    {
        const int PartElements = 1 << 13;
        Parallel.For(0, (count + PartElements - 1) / PartElements, part =>
        {
            int end = Math.Min(count, (part + 1) * PartElements);
            for (int i = part * PartElements; i < end; i++)
            {
                buffer[i] = (float)(deviation * Normal(key, (ulong)(start + i)));
            }
        });
    }

    /// <summary>Box-Muller over two uniform numbers of a counter.</summary>
    private static double Normal(ulong key, ulong index)
    {
        double first = Uniform(key, 2 * index);
        double second = Uniform(key, (2 * index) + 1);
        return Math.Sqrt(-2 * Math.Log(first)) * Math.Cos(2 * Math.PI * second);
    }

    /// <summary>In (0, 1]: the finaliser of SplitMix64 (Steele, Lea and Flood 2014) over a Weyl sequence.</summary>
    private static double Uniform(ulong key, ulong counter)
    {
        ulong z = key + ((counter + 1) * 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return ((z >> 11) + 1) * (1.0 / (1UL << 53));
    }
}
