using System.IO.Hashing;
using System.Runtime.InteropServices;
using Offload.Engine.Models;

namespace Offload.Engine.Hub;

/// <summary>Fingerprint of a model's weights: XxHash3-128 over the fp32 master bytes, Hub names in ordinal order, a tied tensor once.</summary>
internal static class WeightsHash
{
    private const int ChunkElements = 1 << 18;

    /// <summary>Computes it; 32 hexadecimal digits.</summary>
    public static string Compute(IMasterWeights weights)
    {
        var hash = new XxHash128();
        var buffer = new float[ChunkElements];
        IEnumerable<(UnitLayout Unit, ParameterInfo Parameter)> all = weights.Layout.Units
            .SelectMany(unit => unit.Parameters.Select(parameter => (unit, parameter)))
            .OrderBy(pair => pair.parameter.Name, StringComparer.Ordinal);
        foreach ((UnitLayout unit, ParameterInfo parameter) in all)
        {
            for (long start = 0; start < parameter.Count; start += ChunkElements)
            {
                Span<float> chunk = buffer.AsSpan(0, (int)Math.Min(ChunkElements, parameter.Count - start));
                weights.ReadMasters(unit.Index, parameter.Offset + start, chunk);
                hash.Append(MemoryMarshal.AsBytes(chunk));
            }
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
