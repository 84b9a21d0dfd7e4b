using Offload.Storage;

namespace Offload.Engine.Models;

/// <summary>Sliding-window attention of a config.</summary>
internal static class HubConfigWindow
{
    private const string Sliding = "sliding_attention";
    private const int DefaultWindow = 4096;

    /// <summary>An absent key means 4096 to transformers; null means none.</summary>
    public static int? Mistral(HubConfigFields fields) =>
        fields.OptionalSize("sliding_window") ?? (fields.Names.Contains("sliding_window") ? null : DefaultWindow);

    /// <summary>The window of the layers that have one; null if none has.</summary>
    /// <exception cref="UnreadableInputException">Layers are said to slide and the window is switched off.</exception>
    public static int? Qwen(HubConfigFields fields, int numLayers)
    {
        IReadOnlyList<string>? types = fields.Strings("layer_types");
        if (types is not null && types.Count != numLayers)
        {
            throw fields.Inconsistent("layer_types", $"expected an entry for each of num_hidden_layers, which is {numLayers}, found {types.Count}");
        }

        int? window = fields.Flag("use_sliding_window", absent: false) ? Mistral(fields) : null;
        bool slides = types?.Contains(Sliding) ?? (window is not null && FirstSlidingLayer(fields) < numLayers);
        if (slides && window is null)
        {
            throw fields.Inconsistent("layer_types", $"names {Sliding} though use_sliding_window is false or sliding_window is null");
        }

        return slides ? window : null;
    }

    /// <summary>Refuses layers that are neither full nor, where the family has them, sliding.</summary>
    public static void RefuseOtherLayers(HubConfigFields fields, bool slidingMayOccur)
    {
        foreach (string type in fields.Strings("layer_types") ?? [])
        {
            if (type != "full_attention" && !(slidingMayOccur && type == Sliding))
            {
                throw fields.Inconsistent("layer_types", $"found \"{type}\"; supported: full_attention{(slidingMayOccur ? ", " + Sliding : "")}");
            }
        }
    }

    // Zero is right here: all layers slide.
    private static int FirstSlidingLayer(HubConfigFields fields) => fields.Count("max_window_layers", absent: 28);
}
