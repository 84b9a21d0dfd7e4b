using System.Text.Json.Serialization;

namespace Offload.Cli.Doctor;

/// <summary>One row of the doctor's report.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Status">The outcome.</param>
/// <param name="Found">What is there.</param>
/// <param name="Hint">How to mend it; null if there is nothing to mend.</param>
internal sealed record Check(string Name, CheckStatus Status, string Found, string? Hint = null)
{
    /// <summary>Whether training on the CPU cannot do without it.</summary>
    [JsonIgnore]
    internal bool IsEssential { get; init; }

    internal static Check Ok(string name, string found) => new(name, CheckStatus.Ok, found);

    internal static Check Warning(string name, string found, string? hint = null) => new(name, CheckStatus.Warning, found, hint);

    internal static Check Missing(string name, string found, string? hint = null) => new(name, CheckStatus.Missing, found, hint);
}
