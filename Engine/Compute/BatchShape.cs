namespace Offload.Engine.Compute;

/// <summary>Shape of a micro-batch.</summary>
/// <param name="Sequences">Number of sequences.</param>
/// <param name="Tokens">Tokens of each.</param>
internal readonly record struct BatchShape(int Sequences, int Tokens)
{
    /// <summary>Rows of an activation matrix.</summary>
    public int Rows => Sequences * Tokens;
}
