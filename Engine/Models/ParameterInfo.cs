namespace Offload.Engine.Models;

/// <summary>One trainable tensor of a unit, under its Hub name and in its Hub layout.</summary>
/// <param name="Name">Hub name, e.g. "model.layers.0.mlp.up_proj.weight".</param>
/// <param name="Shape">Hub shape.</param>
/// <param name="Offset">First element within the unit.</param>
/// <param name="IsMatrix">Two dimensions: weight decay applies by default.</param>
internal sealed record ParameterInfo(string Name, IReadOnlyList<long> Shape, long Offset, bool IsMatrix)
{
    /// <summary>Number of elements.</summary>
    public long Count { get; } = Shape.Aggregate(1L, (product, size) => checked(product * size));
}
