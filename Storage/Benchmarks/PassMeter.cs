using System.Diagnostics;
using Offload.Storage.Devices;

namespace Offload.Storage.Benchmarks;

/// <summary>
/// Measures a pass from its construction on, by what the device says that it has transferred, and tells the pass's streams when it is over. Any
/// thread.
/// </summary>
/// <param name="device">Nobody else uses it.</param>
internal sealed class PassMeter(IBlockDevice device)
{
    private readonly object _gate = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly TimeSpan _cpuStart = Environment.CpuUsage.TotalTime;
    private readonly DeviceTraffic _trafficStart = device.Traffic;
    private BenchmarkPass? _result;
    private volatile bool _isOver;

    /// <summary>Whether streams are to start nothing more.</summary>
    public bool IsOver => _isOver;

    /// <summary>Streams start nothing more; nothing is measured by it.</summary>
    public void Stop() => _isOver = true;

    /// <summary>
    /// One of two streams has done all of its range: what was moved until now is the result, for from here on the other one has the drive to itself.
    /// Unless the other one has not done anything yet, as happens with a few blocks: then it has to go on.
    /// </summary>
    public void EndOfOne()
    {
        DeviceTraffic traffic = device.Traffic;
        if (traffic.BytesRead > _trafficStart.BytesRead && traffic.BytesWritten > _trafficStart.BytesWritten)
        {
            End();
        }
    }

    /// <summary>Ends the pass; only the first call counts.</summary>
    /// <returns>The result.</returns>
    public BenchmarkPass End()
    {
        lock (_gate)
        {
            _isOver = true;
            if (_result is null)
            {
                DeviceTraffic traffic = device.Traffic;
                _result = new BenchmarkPass(
                    Stopwatch.GetElapsedTime(_start).TotalSeconds,
                    (Environment.CpuUsage.TotalTime - _cpuStart).TotalSeconds,
                    traffic.BytesRead - _trafficStart.BytesRead,
                    traffic.BytesWritten - _trafficStart.BytesWritten);
            }

            return _result.Value;
        }
    }
}
