using System.Globalization;
using Offload.Engine.Compute;
using Offload.Engine.Cuda;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Swapping.Cuda;
using Offload.Engine.Tests.Swapping;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage.Memory;
using TorchSharp;

namespace Offload.Acceptance.Cuda;

/// <summary>Every unit operation on the GPU against the CPU's: all kinds of layers, both element types, all policies.</summary>
internal static class CudaUnitCheck
{
    /// <summary>Far above the sums' own rounding, far below a wrong formula.</summary>
    private const double MostFloat32 = 3e-5;

    /// <summary>bfloat16 rounds to 2^-9; both sides round at each operation, not always at the same ones.</summary>
    private const double MostBFloat16Rms = 2e-2;
    private const double MostBFloat16 = 1e-1;

    // Where a sum comes out on the other side of zero its whole gradient comes or goes: of three thousandths of the elements, a rounding error's share, whose
    // root is 5 % of the whole.
    private const double MostReluRms = 8e-2;
    private const double MostRelu = 3e-1;

    private const int MaxAhead = 8;

    public static bool Run(TextWriter output)
    {
        try
        {
            TorchRuntime.Load(LibtorchLocator.Locate(), DeviceType.CUDA);
            CudaHost host = CudaHost.Get(0);
            using var device = new CudaSwapDevice(host, MaxAhead);
            output.WriteLine($"GPU: {host.Device.Name}");
            bool holds = true;
            foreach ((string name, DecoderConfig config) in UnitCheckModels.All)
            {
                holds &= Compare(output, host, device, name, config, ComputeType.Float32, CudaAttentionKind.Efficient);
                holds &= Compare(output, host, device, name, config, ComputeType.BFloat16, CudaAttentionKind.Flash);
                holds &= CompareCuDnn(output, host, device, name, config);
            }

            return holds;
        }
        catch (OffloadException error)
        {
            output.WriteLine(error.Message);
            output.WriteLine(error.Hint);
            return false;
        }
    }

    private static bool Compare(
        TextWriter output, CudaHost host, CudaSwapDevice device, string name, DecoderConfig config, ComputeType type, CudaAttentionKind attention)
    {
        var limit = new MemoryLimit(4L << 30);
        IGpuMemory? arena = null;
        var checkedDevice = new UnitCheckDevice(device, limit, Create, host.Device.Synchronize);
        UnitErrors errors;
        long takenBytes = host.Device.Memory().FreeBytes;
        try
        {
            using var comparison = new UnitComparison(checkedDevice, config, type, seed: 5);
            comparison.Run();
            errors = comparison.Errors;
        }
        finally
        {
            arena?.Dispose();
        }

        takenBytes -= host.Device.Memory().FreeBytes;
        return Report(output, $"{name}, {type}, {attention}", errors, type, attention, config.Activation == ActivationKind.Relu, takenBytes);

        unsafe IUnitCompute Create(ModelLayout layout, RunNumerics numerics)
        {
            var shape = new BatchShape(numerics.MicroBatchSequences, numerics.SequenceTokens);
            const long Page = 4096;
            long sizeBytes = CudaUnitCompute.ArenaBytes(layout, numerics.Type, shape, numerics.HeadChunkTokens);
            arena = device.Allocate((sizeBytes + Page - 1) / Page * Page, limit);
            return new CudaUnitCompute(
                host.Device, layout, numerics with { IsDeterministic = attention != CudaAttentionKind.CuDnn }, arena.Address, attention);
        }
    }

    /// <summary>cuDNN need not take every shape; where it does, it must be right.</summary>
    private static bool CompareCuDnn(TextWriter output, CudaHost host, CudaSwapDevice device, string name, DecoderConfig config)
    {
        try
        {
            return Compare(output, host, device, name, config, ComputeType.BFloat16, CudaAttentionKind.CuDnn);
        }
        catch (LibtorchException error)
        {
            output.WriteLine($"{name}, {CudaAttentionKind.CuDnn}: not taken: {error.Message}");
            return true;
        }
    }

    private static bool Report(TextWriter output, string what, UnitErrors errors, ComputeType type, CudaAttentionKind attention, bool isRelu, long takenBytes)
    {
        (double max, double rms) = errors.Largest;
        // cuDNN's backward adds up in any order; nothing else does.
        bool hasOtherBits = errors.OtherBits.Any(
            operation => attention != CudaAttentionKind.CuDnn || operation is not ("layer gradient by policy" or "layer sums by policy"));
        bool holds = !hasOtherBits
            && (type == ComputeType.Float32 ? max <= MostFloat32 : max <= (isRelu ? MostRelu : MostBFloat16) && rms <= (isRelu ? MostReluRms : MostBFloat16Rms));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{what}: largest error {max:E2}, rms {rms:E2}; {(holds ? "holds" : "FAILS")}; GPU memory beside slots grew by {takenBytes / 1048576.0:F1} MiB"));
        foreach ((string operation, (double ofMax, double ofRms)) in errors.ByOperation)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {operation,-32} {ofMax:E2} {ofRms:E2}"));
        }

        foreach (string operation in errors.OtherBits)
        {
            output.WriteLine($"  other bits: {operation}");
        }

        return holds;
    }
}
