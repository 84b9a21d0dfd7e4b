using System.Globalization;
using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Engine.Tests.Cuda.Kernels;

namespace Offload.Acceptance.Cuda;

/// <summary>Every kernel of the GPU against float64 loops or the CPU's reference, and its rate at a training step's sizes.</summary>
internal static class KernelComparison
{
    private const int NumSeeds = 40;
    private const int MaxElements = 300_000;
    private const int MaxShown = 20;

    public static bool Run(TextWriter output)
    {
        try
        {
            using CudaDevice device = CudaDevice.Open(0);
            return Run(device, output);
        }
        catch (CudaException error)
        {
            output.WriteLine(error.Message);
            return false;
        }
    }

    private static bool Run(CudaDevice device, TextWriter output)
    {
        output.WriteLine(device.Name);
        bool holds = true;
        foreach (ComputeType type in Enum.GetValues<ComputeType>())
        {
            using (var lab = new KernelLab(device, type))
            {
                // A smaller count serves a machine where a kernel is slow to run.
                int numSeeds = int.Parse(Environment.GetEnvironmentVariable("OFFLOAD_KERNEL_SEEDS") ?? $"{NumSeeds}", CultureInfo.InvariantCulture);
                KernelChecks.RunNorms(lab, numSeeds);
                for (int seed = 1; seed <= numSeeds; seed++)
                {
                    KernelChecks.Run(lab, seed, MaxElements);
                }

                output.WriteLine($"{type}: largest relative errors on {numSeeds} random shapes a kernel (0: the same bits)");
                foreach ((string kernel, double error) in lab.Errors)
                {
                    output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {kernel,-32} {error:E2}"));
                }

                foreach (string failure in lab.Failures.Take(MaxShown))
                {
                    output.WriteLine($"  wrong: {failure}");
                }

                holds &= lab.Failures.Count == 0;
            }

            KernelRates.Run(device, type, output);
        }

        return holds;
    }
}
