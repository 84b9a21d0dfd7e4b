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

    /// <summary>Makes a check; should it fail in a way that nobody thought of, that is its row, and the others still come.</summary>
    internal static Check Try(string name, Func<Check> check, bool isEssential = false)
    {
        try
        {
            return check();
        }
        catch (Exception error)
        {
            string message = error.Message.ReplaceLineEndings(" ");
            return Missing(name, $"the check failed: {error.GetType().Name}: {message}", "this is a defect of offload doctor; the other checks hold") with { IsEssential = isEssential };
        }
    }

    internal static Check Ok(string name, string found) => new(name, CheckStatus.Ok, found);

    internal static Check Warning(string name, string found, string? hint = null) => new(name, CheckStatus.Warning, found, hint);

    internal static Check Missing(string name, string found, string? hint = null) => new(name, CheckStatus.Missing, found, hint);
}
