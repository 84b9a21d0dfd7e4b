using Offload.Storage;

namespace Offload.Engine.Models;

/// <summary>Rotary embeddings of a config, in both spellings (transformers, <c>modeling_rope_utils.py</c>).</summary>
internal static class HubConfigRope
{
    private const double DefaultTheta = 10000;

    /// <summary>Reads <c>rope_parameters</c>, or <c>rope_theta</c> with <c>rope_scaling</c>; the latter wins where both are there, as in transformers.</summary>
    /// <exception cref="UnreadableInputException">A kind or field that is not supported, or missing.</exception>
    public static RopeConfig Read(HubConfigFields config, int headSize)
    {
        if (headSize % 2 != 0)
        {
            throw config.Inconsistent(config.Has("head_dim") ? "head_dim" : "hidden_size", $"rotary embeddings need an even head size, found {headSize}");
        }

        RefusePartial(config);
        double theta = config.Positive("rope_theta", DefaultTheta);
        HubConfigFields? rope = config.Object("rope_scaling");
        if (rope is null || !rope.Names.Any())
        {
            rope = config.Object("rope_parameters");
        }

        if (rope is null)
        {
            return new RopeConfig(RopeKind.Default, theta);
        }

        foreach (string name in rope.Names.Where(name => name.EndsWith("_attention", StringComparison.Ordinal)))
        {
            throw rope.Unsupported(name, "one set of rotary parameters for all layers is supported");
        }

        RefusePartial(rope);
        theta = rope.Positive("rope_theta", theta);
        string typeName = rope.Has("rope_type") ? "rope_type" : "type";
        switch (rope.OptionalString(typeName))
        {
            case null when rope.Has("factor"):
                throw rope.Inconsistent("rope_type", "missing beside a factor; supported: default, linear, llama3");
            case null or "default":
                return new RopeConfig(RopeKind.Default, theta);
            case "linear":
                return new RopeConfig(RopeKind.Linear, theta, rope.Positive("factor"));
            case "llama3":
                return ReadLlama3(config, rope, theta);
            default:
                throw rope.Unsupported(typeName, "supported: default, linear, llama3");
        }
    }

    private static RopeConfig ReadLlama3(HubConfigFields config, HubConfigFields rope, double theta)
    {
        double low = rope.Positive("low_freq_factor");
        double high = rope.Positive("high_freq_factor");
        if (low >= high)
        {
            throw rope.Inconsistent("high_freq_factor", $"expected more than low_freq_factor, which is {low}, found {high}");
        }

        int original = config.OptionalSize("original_max_position_embeddings") ?? rope.Size("original_max_position_embeddings");
        return new RopeConfig(RopeKind.Llama3, theta, rope.Positive("factor"), low, high, original);
    }

    private static void RefusePartial(HubConfigFields fields)
    {
        if (fields.Positive("partial_rotary_factor", 1) != 1)
        {
            throw fields.Unsupported("partial_rotary_factor", "supported: 1");
        }
    }
}
