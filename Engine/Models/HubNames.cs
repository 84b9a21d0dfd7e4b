using Offload.Storage;

namespace Offload.Engine.Models;

/// <summary>Names of a family's tensors on the Hub. Without ".weight" and ".bias".</summary>
internal sealed record HubNames
{
    private static readonly HubNames Llama = new()
    {
        BasePrefix = "model.",
        Embedding = "model.embed_tokens",
        LayerPrefix = "model.layers.",
        InputNorm = "input_layernorm",
        Qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        QueryNorm = "self_attn.q_norm",
        KeyNorm = "self_attn.k_norm",
        AttentionOut = "self_attn.o_proj",
        MlpNorm = "post_attention_layernorm",
        Up = ["mlp.gate_proj", "mlp.up_proj"],
        Down = "mlp.down_proj",
        FinalNorm = "model.norm",
    };

    private static readonly HubNames Gpt2 = new()
    {
        BasePrefix = "transformer.",
        Embedding = "transformer.wte",
        Positions = "transformer.wpe",
        LayerPrefix = "transformer.h.",
        InputNorm = "ln_1",
        Qkv = ["attn.c_attn"],
        AttentionOut = "attn.c_proj",
        MlpNorm = "ln_2",
        Up = ["mlp.c_fc"],
        Down = "mlp.c_proj",
        FinalNorm = "transformer.ln_f",
        InputMajor = true,
    };

    private static readonly HubNames Opt = new()
    {
        BasePrefix = "model.",
        Embedding = "model.decoder.embed_tokens",
        Positions = "model.decoder.embed_positions",
        LayerPrefix = "model.decoder.layers.",
        InputNorm = "self_attn_layer_norm",
        Qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        AttentionOut = "self_attn.out_proj",
        MlpNorm = "final_layer_norm",
        Up = ["fc1"],
        Down = "fc2",
        FinalNorm = "model.decoder.final_layer_norm",
    };

    /// <summary>Checkpoints of the bare model leave this prefix out.</summary>
    public required string BasePrefix { get; init; }

    public required string Embedding { get; init; }

    public string? Positions { get; init; }

    /// <summary>The layer's index and a dot follow.</summary>
    public required string LayerPrefix { get; init; }

    public required string InputNorm { get; init; }

    public required IReadOnlyList<string> Qkv { get; init; }

    public string? QueryNorm { get; init; }

    public string? KeyNorm { get; init; }

    public required string AttentionOut { get; init; }

    public required string MlpNorm { get; init; }

    public required IReadOnlyList<string> Up { get; init; }

    public required string Down { get; init; }

    public required string FinalNorm { get; init; }

    public string Head { get; } = "lm_head";

    /// <summary>Matrices of layers are [in, out] (GPT-2's Conv1D).</summary>
    public bool InputMajor { get; init; }

    /// <summary>The names of a family.</summary>
    /// <exception cref="UnreadableInputException">The family is unknown.</exception>
    public static HubNames For(string modelType) => modelType switch
    {
        "gpt2" => Gpt2,
        "opt" => Opt,
        "llama" or "mistral" or "qwen2" or "qwen3" => Llama,
        _ => throw new UnreadableInputException("config.json: model_type", $"'{modelType}' is not supported"),
    };
}
