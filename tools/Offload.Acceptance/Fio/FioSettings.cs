using System.Globalization;
using Offload.Storage.Devices;

namespace Offload.Acceptance.Fio;

/// <summary>What the comparison with fio runs, from the environment: OFFLOAD_FIO_FOLDER, _SIZE_MIB, _BLOCK_KIB, _DEPTH, _ROUNDS, _SECONDS.</summary>
internal sealed record FioSettings
{
    private const string Prefix = "OFFLOAD_FIO_";

    /// <summary>Where the file goes: on the drive to be measured.</summary>
    public required string Folder { get; init; }

    public required long SizeBytes { get; init; }

    public required int BlockBytes { get; init; }

    public required int QueueDepth { get; init; }

    /// <summary>Each contestant runs once a round, in an order that rotates.</summary>
    public required int NumRounds { get; init; }

    /// <summary>Of one run.</summary>
    public required int Seconds { get; init; }

    /// <param name="blockBytes">Size of blocks where the environment does not say.</param>
    public static FioSettings FromEnvironment(int blockBytes = DirectFileDevice.PreferredBlockBytes) => new()
    {
        Folder = Environment.GetEnvironmentVariable(Prefix + "FOLDER") ?? Path.GetTempPath(),
        SizeBytes = (long)Number("SIZE_MIB", 4096) << 20,
        BlockBytes = Number("BLOCK_KIB", blockBytes >> 10) << 10,
        QueueDepth = Number("DEPTH", DirectFileOptions.DefaultQueueDepth),
        NumRounds = Number("ROUNDS", 7),
        Seconds = Number("SECONDS", 3),
    };

    private static int Number(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(Prefix + name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
