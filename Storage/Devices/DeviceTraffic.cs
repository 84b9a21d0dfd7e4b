namespace Offload.Storage.Devices;

/// <summary>What a device has transferred since it was opened; only what has completed counts.</summary>
/// <param name="BytesRead">Bytes from the device.</param>
/// <param name="BytesWritten">Bytes to the device: what wears a drive.</param>
/// <param name="Flushes">Flushes that succeeded.</param>
public readonly record struct DeviceTraffic(long BytesRead, long BytesWritten, long Flushes);
