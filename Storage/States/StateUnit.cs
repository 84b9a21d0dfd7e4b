namespace Offload.Storage.States;

/// <summary>What is swapped as one piece: so many parameters, and for each of them an element of each part.</summary>
/// <param name="Name">For messages: "layer 7".</param>
/// <param name="NumParameters">Number of parameters.</param>
/// <param name="Parts">Its arrays, in the order in which a tile holds them.</param>
public sealed record StateUnit(string Name, long NumParameters, IReadOnlyList<StatePart> Parts);
