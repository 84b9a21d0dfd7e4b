using Offload.Storage.Devices;

namespace Offload.Tests.Infrastructure;

/// <summary>An operation on a file that went wrong by plan.</summary>
/// <param name="Path">The file.</param>
/// <param name="Operation">What it was.</param>
/// <param name="OffsetBytes">Where in the file.</param>
/// <param name="SizeBytes">How much.</param>
public sealed record FaultHit(string Path, FaultTarget Operation, long OffsetBytes, int SizeBytes)
{
    /// <summary>How every message about it begins.</summary>
    public string MessageStart => Operation == FaultTarget.Flush
        ? $"{Path}: cannot flush: "
        : $"{Path}: cannot {(Operation == FaultTarget.Read ? "read" : "write")} {SizeBytes} bytes at offset {OffsetBytes}: ";
}
