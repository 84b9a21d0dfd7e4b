using Offload.Engine.Cuda;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>Time that a GPU takes for work that is issued to a stream, by its own clock. One thread, on which the device is current.</summary>
/// <param name="device">The GPU; borrowed.</param>
/// <param name="stream">Borrowed.</param>
internal sealed class CudaTimer(CudaDevice device, CudaStream stream) : IDisposable
{
    private readonly CudaEvent _start = new(device);
    private readonly CudaEvent _end = new(device);

    /// <summary>Issues the work and waits for it.</summary>
    /// <param name="issue">Issues it.</param>
    /// <returns>Seconds from its start on the GPU to its end there.</returns>
    /// <exception cref="CudaException">Some of it failed.</exception>
    public double Seconds(Action issue)
    {
        _start.Record(stream);
        issue();
        _end.Record(stream);
        _end.Wait();
        return _end.SecondsSince(_start);
    }

    public void Dispose()
    {
        _start.Dispose();
        _end.Dispose();
    }
}
