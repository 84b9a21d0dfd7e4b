namespace Offload.Engine.Verification;

/// <summary>One reference case, checked.</summary>
/// <param name="Name">Folder name.</param>
/// <param name="Kind">"model", "tokenizer", "adapter" or "unknown".</param>
/// <param name="Status">Outcome.</param>
/// <param name="Errors">Largest relative error of each quantity: logits, gradients, losses, gradNorms, weights.</param>
/// <param name="Detail">Where the largest error is, or why the case failed or is unsupported; null if there is nothing to say.</param>
public sealed record CaseResult(string Name, string Kind, CaseStatus Status, IReadOnlyDictionary<string, double> Errors, string? Detail);
