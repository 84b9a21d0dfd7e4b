namespace Offload.Swap.Planning.Search;

/// <summary>A change that would make training faster.</summary>
/// <param name="Change">What: "16 GiB more CPU memory".</param>
/// <param name="SavedFraction">Part of the time per token that it saves: 0.23 for -23 %.</param>
public sealed record PlanAdvice(string Change, double SavedFraction);
