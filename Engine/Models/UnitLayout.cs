namespace Offload.Engine.Models;

/// <summary>What is swapped as one piece: its tensors, packed one after the other in the order of their use.</summary>
/// <param name="Index">Position in the forward pass.</param>
/// <param name="Name">"embedding", "layer 7", "head".</param>
/// <param name="Kind">What it computes.</param>
/// <param name="Parameters">Its tensors in ascending <see cref="ParameterInfo.Offset"/>, without gaps.</param>
internal sealed record UnitLayout(int Index, string Name, UnitKind Kind, IReadOnlyList<ParameterInfo> Parameters)
{
    /// <summary>Number of elements.</summary>
    public long Count { get; } = Parameters.Sum(parameter => parameter.Count);
}
