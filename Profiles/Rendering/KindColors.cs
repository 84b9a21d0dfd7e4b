namespace Offload.Profiles.Rendering;

/// <summary>One colour a kind of operation, the same in every picture. Stateless: any thread.</summary>
public static class KindColors
{
    // Compute in blues and reds, weights green, states orange and brown, gradients purple, activations teal: hues that stay apart for most eyes.
    private static readonly Dictionary<string, string> Known = new(StringComparer.Ordinal)
    {
        ["Forward"] = "#4e79a7",
        ["HeadLoss"] = "#8064a2",
        ["ForwardLoss"] = "#9d85bd",
        ["Backward"] = "#c44e52",
        ["RoundGradients"] = "#8c8c8c",
        ["NormOnGpu"] = "#a6a6a6",
        ["UpdateOnGpu"] = "#dd8452",
        ["LoadWeights"] = "#55a868",
        ["LoadActivations"] = "#3aa6a0",
        ["LoadSums"] = "#937fb0",
        ["SaveActivations"] = "#2f8580",
        ["SaveGradients"] = "#b07aa1",
        ["SaveSums"] = "#7d6a99",
        ["SaveStates"] = "#b5793f",
        ["ReadWeights"] = "#7bc087",
        ["ReadStates"] = "#e9a94b",
        ["ReadGradients"] = "#c79cbb",
        ["ReadActivations"] = "#6cc2bd",
        ["WriteStates"] = "#9c755f",
        ["WriteGradients"] = "#94608a",
        ["WriteActivations"] = "#22655f",
        ["Commit"] = "#333333",
        ["GradientNorm"] = "#bab0ac",
        ["DecideStep"] = "#666666",
        ["UpdateStates"] = "#f28e2b",
    };

    /// <summary>The colour as <c>#rrggbb</c>; a kind that is not known gets a grey.</summary>
    public static string Of(string kind) => Known.GetValueOrDefault(kind, "#999999");
}
