namespace Offload.Engine.Optimizers;

/// <summary>The constants of one update of a whole model.</summary>
/// <param name="Decayed">For what is decayed.</param>
/// <param name="Plain">For the rest.</param>
/// <param name="Scope">What is decayed.</param>
internal readonly record struct UpdateStep(AdamWStep Decayed, AdamWStep Plain, WeightDecayScope Scope);
