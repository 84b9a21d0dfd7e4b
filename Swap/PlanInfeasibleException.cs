using Offload.Profiles;

namespace Offload.Swap;

/// <summary>No plan fits the budgets; says by how much, on which tier, and what would make it fit. Exit code 3.</summary>
public sealed class PlanInfeasibleException(string message, string hint) : OffloadException(message, hint, cause: null)
{
    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Infeasible;
}
