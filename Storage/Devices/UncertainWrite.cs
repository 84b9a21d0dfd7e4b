namespace Offload.Storage.Devices;

/// <summary>A write that no flush has made durable: what it wanted where. Its bytes are a copy.</summary>
internal sealed record UncertainWrite(long OffsetBytes, byte[] Bytes);
