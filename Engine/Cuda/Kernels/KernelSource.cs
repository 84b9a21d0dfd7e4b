using System.Text;
using Offload.Engine.Models;

namespace Offload.Engine.Cuda.Kernels;

/// <summary>The CUDA source of all kernels, as one text: its parts are embedded in the assembly. Stateless: any thread.</summary>
internal static class KernelSource
{
    /// <summary>In this order: each uses what those before it define.</summary>
    private static readonly string[] Parts =
    [
        "common.cu", "norm.cu", "norm_backward.cu", "column_sums.cu", "heads.cu", "activation.cu", "cross_entropy.cu", "embedding.cu", "optimizer.cu",
    ];

    /// <summary>The source for one element type; includes no header.</summary>
    public static string Of(ComputeType type)
    {
        var source = new StringBuilder();
        source.Append("#define OFFLOAD_BFLOAT16 ").Append(type == ComputeType.BFloat16 ? '1' : '0').Append('\n');
        foreach (string part in Parts)
        {
            using Stream stream = typeof(KernelSource).Assembly.GetManifestResourceStream($"Kernels/{part}")
                ?? throw new InvalidOperationException($"the assembly was built without its kernels: {part} is missing");
            using var reader = new StreamReader(stream);

            // Messages of the compiler then name the file and line of the part.
            source.Append("#line 1 \"").Append(part).Append("\"\n").Append(reader.ReadToEnd());
        }

        return source.ToString();
    }
}
