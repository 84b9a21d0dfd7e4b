namespace Offload.Acceptance;

/// <summary>A check too long for the unit tests, run by name.</summary>
/// <param name="Name">As given on the command line.</param>
/// <param name="Description">What it proves and about how long it takes.</param>
/// <param name="Run">Writes what was found; returns whether it holds.</param>
internal sealed record AcceptanceCheck(string Name, string Description, Func<TextWriter, bool> Run);
