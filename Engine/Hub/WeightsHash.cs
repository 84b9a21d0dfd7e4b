using System.IO.Hashing;
using System.Runtime.InteropServices;
using Offload.Engine.Models;

namespace Offload.Engine.Hub;

/// <summary>Fingerprint of a model's weights: XxHash3-128 over the fp32 master bytes, Hub names in ordinal order, a tied tensor once.</summary>
internal static class WeightsHash
{
    /// <summary>Computes it; 32 hexadecimal digits.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="cancellation">Stops it.</param>
    public static string Compute(IMasterWeights weights, CancellationToken cancellation = default)
    {
        var hash = new XxHash128();
        MasterRange[] order =
        [
            .. weights.Layout.Units.SelectMany(unit => unit.Parameters.Select(parameter => (unit, parameter)))
                .OrderBy(pair => pair.parameter.Name, StringComparer.Ordinal)
                .Select(pair => new MasterRange(pair.unit.Index, pair.parameter.Offset, pair.parameter.Count)),
        ];
        weights.ReadMasters(order, (_, _, masters) => hash.Append(MemoryMarshal.AsBytes(masters)), cancellation);
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
