namespace Offload.Swap.Planning.Search;

/// <summary>What the search knows of a plan.</summary>
/// <param name="Plan">Of the reduced model.</param>
/// <param name="Seconds">Predicted step of the whole model.</param>
/// <param name="Score">What is made small: the seconds, and a little of what all lanes do, so that of equal plans the one that does less is taken.</param>
internal sealed record PlanScore(SwapPlan Plan, double Seconds, double Score);
