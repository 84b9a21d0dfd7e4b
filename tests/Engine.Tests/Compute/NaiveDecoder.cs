using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

/// <summary>
/// A decoder written from the models' own description, for autograd: separate projections by their Hub names, one head after the
/// other, attention as a masked softmax, rotary embedding by rotate-half. Shares nothing with the engine's compute.
/// </summary>
internal sealed class NaiveDecoder(DecoderConfig config, IReadOnlyDictionary<string, Tensor> parameters)
{
    private static readonly Dictionary<string, string> LlamaNames = new()
    {
        ["layers"] = "model.layers.",
        ["embedding"] = "model.embed_tokens",
        ["finalNorm"] = "model.norm",
        ["inputNorm"] = "input_layernorm",
        ["out"] = "self_attn.o_proj",
        ["mlpNorm"] = "post_attention_layernorm",
        ["down"] = "mlp.down_proj",
    };

    private static readonly Dictionary<string, string> Gpt2Names = new()
    {
        ["layers"] = "transformer.h.",
        ["embedding"] = "transformer.wte",
        ["positions"] = "transformer.wpe",
        ["finalNorm"] = "transformer.ln_f",
        ["inputNorm"] = "ln_1",
        ["out"] = "attn.c_proj",
        ["mlpNorm"] = "ln_2",
        ["up"] = "mlp.c_fc",
        ["down"] = "mlp.c_proj",
    };

    private static readonly Dictionary<string, string> OptNames = new()
    {
        ["layers"] = "model.decoder.layers.",
        ["embedding"] = "model.decoder.embed_tokens",
        ["positions"] = "model.decoder.embed_positions",
        ["finalNorm"] = "model.decoder.final_layer_norm",
        ["inputNorm"] = "self_attn_layer_norm",
        ["out"] = "self_attn.out_proj",
        ["mlpNorm"] = "final_layer_norm",
        ["up"] = "fc1",
        ["down"] = "fc2",
    };

    private readonly Dictionary<string, string> _names = config.ModelType switch { "gpt2" => Gpt2Names, "opt" => OptNames, _ => LlamaNames };

    /// <returns>Sum of the losses of targets that are not negative.</returns>
    public Tensor Loss(int[] ids, int[] targets, int sequences)
    {
        Tensor logits = Logits(ids, sequences);
        Tensor target = tensor(targets.Select(id => (long)id).ToArray());
        return nn.functional.cross_entropy(logits, target, ignore_index: -100, reduction: nn.Reduction.Sum);
    }

    /// <returns>[sequences * tokens, vocabulary].</returns>
    public Tensor Logits(int[] ids, int sequences)
    {
        long tokens = ids.Length / sequences;
        Tensor embedding = parameters[_names["embedding"] + ".weight"];
        Tensor x = Lookup(embedding, tensor(ids.Select(id => (long)id).ToArray())).view(sequences, tokens, -1);
        if (config.LearnedPositionOffset is int offset)
        {
            x = x + parameters[_names["positions"] + ".weight"].slice(0, offset, offset + tokens, 1);
        }

        for (int i = 0; i < config.NumLayers; i++)
        {
            x = Layer(i, x);
        }

        if (config.FinalNorm)
        {
            x = Norm(_names["finalNorm"], x);
        }

        Tensor head = config.TiedEmbeddings ? embedding : parameters["lm_head.weight"];
        return x.view(sequences * tokens, -1).mm(head.t());
    }

    /// <param name="index">Of the layer.</param>
    /// <param name="x">[sequences, tokens, hidden].</param>
    public Tensor Layer(int index, Tensor x)
    {
        string prefix = $"{_names["layers"]}{index}.";
        Tensor middle = x + Attention(prefix, Norm(prefix + _names["inputNorm"], x));
        Tensor normed = Norm(prefix + _names["mlpNorm"], middle);
        Tensor hidden = config.GatedMlp
            ? Activate(Project(prefix + "mlp.gate_proj", normed)) * Project(prefix + "mlp.up_proj", normed)
            : Activate(Project(prefix + _names["up"], normed));
        return middle + Project(prefix + _names["down"], hidden);
    }

    /// <summary>No gradient flows from the padding id's rows (torch's padding_idx).</summary>
    private Tensor Lookup(Tensor embedding, Tensor ids) => config.PaddingId is int padding
        ? where(ids.eq(padding).unsqueeze(1), embedding.detach().index(ids), embedding.index(ids))
        : embedding.index(ids);

    private Tensor Attention(string prefix, Tensor x)
    {
        (Tensor q, Tensor k, Tensor v) = Projections(prefix, x);
        long tokens = x.shape[1];
        Tensor mask = zeros(tokens, tokens).masked_fill(ones(tokens, tokens).triu(1).to(ScalarType.Bool), double.NegativeInfinity);
        var outputs = new List<Tensor>();
        for (int head = 0; head < config.NumHeads; head++)
        {
            int group = head / (config.NumHeads / config.NumKeyValueHeads);
            Tensor query = Position(HeadNorm(prefix + "self_attn.q_norm", Head(q, head)));
            Tensor key = Position(HeadNorm(prefix + "self_attn.k_norm", Head(k, group)));
            Tensor scores = (query.bmm(key.transpose(1, 2)) / Math.Sqrt(config.HeadSize)) + mask;
            outputs.Add(scores.softmax(2).bmm(Head(v, group)));
        }

        return Project(prefix + _names["out"], cat([.. outputs], 2));
    }

    private (Tensor Q, Tensor K, Tensor V) Projections(string prefix, Tensor x)
    {
        if (config.ModelType != "gpt2")
        {
            return (Project(prefix + "self_attn.q_proj", x), Project(prefix + "self_attn.k_proj", x), Project(prefix + "self_attn.v_proj", x));
        }

        long keySize = (long)config.NumKeyValueHeads * config.HeadSize;
        Tensor[] parts = Project(prefix + "attn.c_attn", x).split([(long)config.NumHeads * config.HeadSize, keySize, keySize], 2);
        return (parts[0], parts[1], parts[2]);
    }

    private Tensor Head(Tensor x, int head) => x.slice(2, (long)head * config.HeadSize, (long)(head + 1) * config.HeadSize, 1);

    private Tensor Project(string name, Tensor x)
    {
        Tensor weight = parameters[name + ".weight"];
        Tensor y = einsum(config.ModelType == "gpt2" ? "bti,io->bto" : "bti,oi->bto", x, weight);
        return parameters.TryGetValue(name + ".bias", out Tensor? bias) ? y + bias : y;
    }

    private Tensor Norm(string name, Tensor x) => config.Norm == NormKind.LayerNorm
        ? nn.functional.layer_norm(x, [config.HiddenSize], parameters[name + ".weight"], parameters[name + ".bias"], config.NormEpsilon)
        : RmsNorm(x, parameters[name + ".weight"]);

    private Tensor HeadNorm(string name, Tensor x) => config.QueryKeyNorm ? RmsNorm(x, parameters[name + ".weight"]) : x;

    private Tensor RmsNorm(Tensor x, Tensor weight) => weight * (x / (x.pow(2).mean([-1], keepdim: true) + config.NormEpsilon).sqrt());

    private Tensor Activate(Tensor x) => config.Activation switch
    {
        ActivationKind.Silu => nn.functional.silu(x),
        ActivationKind.Relu => nn.functional.relu(x),
        ActivationKind.Gelu => nn.functional.gelu(x),
        _ => 0.5 * x * (1 + (Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x.pow(3)))).tanh()),
    };

    /// <param name="x">One head: [sequences, tokens, head size].</param>
    private Tensor Position(Tensor x)
    {
        if (config.Rope is not RopeConfig rope)
        {
            return x;
        }

        int half = config.HeadSize / 2;
        Tensor frequencies = tensor(Enumerable.Range(0, half).Select(i => Frequency(rope, i)).ToArray());
        Tensor angles = arange(x.shape[1], ScalarType.Float64).unsqueeze(1) * frequencies;
        Tensor cosines = cat([angles.cos(), angles.cos()], 1).to(ScalarType.Float32);
        Tensor sines = cat([angles.sin(), angles.sin()], 1).to(ScalarType.Float32);
        Tensor rotated = cat([-x.slice(2, half, config.HeadSize, 1), x.slice(2, 0, half, 1)], 2);
        return (x * cosines) + (rotated * sines);
    }

    private double Frequency(RopeConfig rope, int index)
    {
        double frequency = Math.Pow(rope.Theta, -2.0 * index / config.HeadSize);
        if (rope.Kind == RopeKind.Default)
        {
            return frequency;
        }

        double stretched = frequency / rope.Factor;
        if (rope.Kind == RopeKind.Linear)
        {
            return stretched;
        }

        // Turns that the angle makes over the original context, against the two bounds.
        double turns = rope.OriginalMaxPositions * frequency / (2 * Math.PI);
        double kept = Math.Clamp((turns - rope.LowFrequencyFactor) / (rope.HighFrequencyFactor - rope.LowFrequencyFactor), 0, 1);
        return (kept * frequency) + ((1 - kept) * stretched);
    }
}
