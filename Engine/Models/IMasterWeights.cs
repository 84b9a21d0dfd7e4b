namespace Offload.Engine.Models;

/// <summary>A model's fp32 master weights, wherever they live: for export, hash and checks.</summary>
internal interface IMasterWeights
{
    /// <summary>The model.</summary>
    ModelLayout Layout { get; }

    /// <summary>Reads masters in the order asked for, which is known ahead so that a disk can read ahead; in bounded memory.</summary>
    /// <param name="ranges">What to read; empty ranges are allowed and give no piece.</param>
    /// <param name="chunk">Receives the pieces.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    /// <exception cref="Offload.Profiles.OffloadException">They are on a disk that fails or is damaged.</exception>
    void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default);
}
