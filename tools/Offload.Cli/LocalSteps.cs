using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Offload.Cli;

/// <summary>The value of <c>--co2-tau</c>.</summary>
/// <param name="Count">Steps between averages, at least 1; null to measure it (<c>auto</c>).</param>
internal sealed record LocalSteps(int? Count)
{
    /// <summary>Reads a count or <c>auto</c>.</summary>
    internal static bool TryParse(string text, [NotNullWhen(true)] out LocalSteps? steps)
    {
        steps = text == "auto" ? new LocalSteps((int?)null)
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count >= 1 ? new LocalSteps(count)
            : null;
        return steps is not null;
    }
}
