using Offload.Storage.Devices;

namespace Offload.Acceptance.Fio;

/// <summary>One who runs the loads.</summary>
/// <param name="Name">In the report.</param>
/// <param name="Engine">Of the device; null: fio.</param>
/// <param name="RegistersMemory">Whether the device gets the memory registered.</param>
/// <param name="MinRateRatio">Against fio, at least.</param>
internal sealed record Contestant(string Name, IoEngine? Engine, bool RegistersMemory, double MinRateRatio)
{
    public LoadResult Run(FioSettings settings, string path, LoadKind kind) => Engine is { } engine
        ? DeviceLoad.Run(DirectFileDevice.Open(path, new DirectFileOptions { Engine = engine, QueueDepth = settings.QueueDepth }), settings, kind, RegistersMemory)
        : FioLoad.Run(settings, path, kind);
}
