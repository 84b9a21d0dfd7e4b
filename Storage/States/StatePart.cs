namespace Offload.Storage.States;

/// <summary>One array of a unit's states.</summary>
/// <param name="Name">Unique within the unit: "high", "first_moment".</param>
/// <param name="Type">Element type.</param>
/// <param name="ParametersPerElement">Parameters that share an element: 1 for weights and moments, the block size for the scales of quantised moments.</param>
/// <param name="IsMutable">False: written once, when the store is made, and kept once, not in two generations.</param>
public sealed record StatePart(string Name, ElementType Type, int ParametersPerElement = 1, bool IsMutable = true);
