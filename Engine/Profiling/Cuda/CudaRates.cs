using Offload.Engine.Cuda;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>All rates of a GPU and its bus, one after the other. Stateless; libtorch is loaded for CUDA.</summary>
internal static class CudaRates
{
    /// <summary>
    /// Warm-up, in times of the samples: three seconds by default. A GPU begins a measurement cool and at its highest clock, and comes down to what its power limit
    /// allows within one or two seconds of products.
    /// </summary>
    private const double WarmUpFraction = 1.5;

    /// <summary>Measures.</summary>
    /// <param name="device">The GPU; made current on this thread.</param>
    /// <param name="options">What to measure.</param>
    /// <param name="measure">Gets what is measured next, for the user, and how.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="Storage.Memory.MemoryLimitException">The GPU has too little room: some 3 GiB are needed.</exception>
    /// <exception cref="CudaException">The driver refuses, or work on the GPU failed.</exception>
    public static void Measure(CudaDevice device, HardwareMeasurementOptions options, Action<string, Func<MeasuredRate>> measure, CancellationToken cancellation)
    {
        device.MakeCurrent();
        var warm = new RateMeter(options.SecondsEach, cancellation, WarmUpFraction);
        var meter = new RateMeter(options.SecondsEach, cancellation);
        using (var products = new CudaProductProbe(device, options.Type))
        {
            measure("matrix products", () => products.Measure(warm, "gpu.matmulTflops"));
        }

        using (var attention = new CudaAttentionProbe(device, options.Type))
        {
            measure("attention", () => attention.MeasureForward(warm, "gpu.attentionForwardTflops"));
            measure("attention's backward", () => attention.MeasureBackward(warm, "gpu.attentionBackwardTflops"));
        }

        using (var elements = new CudaElementProbe(device, options.Type))
        {
            measure("the GPU's memory", () => elements.Measure(meter, "gpu.memoryGBps"));
        }

        using var copies = new CudaCopyProbe(device);
        measure("copies to the GPU", () => copies.Copy(meter, "gpu.h2dGBps", isBack: false));
        measure("copies from the GPU", () => copies.Copy(meter, "gpu.d2hGBps", isBack: true));
        measure("copies both ways", () => copies.CopyBothWays(meter, "gpu.duplexGBps"));
    }
}
