namespace Offload.Engine.Models;

/// <summary>
/// A tensor as compute sees it inside a unit: one Hub tensor, or several neighbours fused into one matrix (q, k and v; gate and
/// up), which then cost one matrix product.
/// </summary>
/// <param name="Offset">First element within the unit.</param>
/// <param name="Shape">Shape of the whole.</param>
internal sealed record TensorSlot(long Offset, params long[] Shape);
