using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;

namespace Offload.Engine.Planning;

/// <summary>What came of planning. Immutable.</summary>
/// <param name="Request">What was planned, all defaults filled in.</param>
/// <param name="Result">The plan, or why there is none.</param>
/// <param name="Model">The model's name.</param>
/// <param name="ModelHash">Of its units and their shapes.</param>
/// <param name="Dtype">Element type of the compute.</param>
public sealed record TrainingPlan(PlanRequest Request, PlanResult Result, string Model, string ModelHash, string Dtype)
{
    /// <summary>Parameters, a tied matrix once.</summary>
    public long NumParameters => Request.Model.NumParameters;

    /// <summary>The plan as a file holds it; null: nothing fits.</summary>
    public SavedPlan? Saved => Result.Step is not { } step ? null : new SavedPlan
    {
        Model = Model,
        ModelHash = ModelHash,
        Dtype = Dtype,
        SequenceTokens = Request.SequenceTokens,
        MicroBatchSequences = step.MicroBatchSequences,
        NumMicroBatches = step.Work.NumMicroBatches,
        StoreGenerations = step.StoreGenerations,
        Plan = step.Plan,
    };
}
