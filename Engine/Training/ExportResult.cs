namespace Offload.Engine.Training;

/// <summary>What an export wrote.</summary>
/// <param name="Output">The model's folder.</param>
/// <param name="Step">Steps that the exported checkpoint had done.</param>
/// <param name="Dtype">Element type of the exported weights, as the Hub names it.</param>
/// <param name="WeightsHash">Fingerprint of the master weights.</param>
public sealed record ExportResult(string Output, long Step, string Dtype, string WeightsHash);
