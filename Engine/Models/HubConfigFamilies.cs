namespace Offload.Engine.Models;

/// <summary>
/// The families' fields and defaults, each from transformers' <c>models/FAMILY/configuration_FAMILY.py</c>; biases and norms, which
/// some families fix in code, from <c>modeling_FAMILY.py</c>.
/// </summary>
internal static class HubConfigFamilies
{
    private const double OptNormEpsilon = 1e-5; // torch.nn.LayerNorm's; the config has no field for it

    public static DecoderConfig Gpt2(HubConfigFields fields)
    {
        RefuseCommon(fields);
        fields.Require("scale_attn_weights", supported: true);
        fields.Require("scale_attn_by_inverse_layer_idx", supported: false);
        fields.Require("reorder_and_upcast_attn", supported: false);

        int vocabularySize = fields.Size("vocab_size");
        int hiddenSize = fields.Size("n_embd");
        int numHeads = fields.Size("n_head");
        return new DecoderConfig
        {
            ModelType = "gpt2",
            VocabularySize = vocabularySize,
            HiddenSize = hiddenSize,
            NumLayers = fields.LayerCount("n_layer"),
            NumHeads = numHeads,
            NumKeyValueHeads = numHeads,
            HeadSize = HeadSize(fields, "n_embd", hiddenSize, "n_head", numHeads),
            IntermediateSize = fields.Size("n_inner", absent: 4 * hiddenSize),
            MaxPositions = fields.Size("n_positions", absent: 1024),
            Norm = NormKind.LayerNorm,
            NormEpsilon = fields.Positive("layer_norm_epsilon", 1e-5),
            Activation = Activation(fields, "activation_function", "gelu_new"),
            GatedMlp = false,
            LearnedPositionOffset = 0,
            QueryKeyValueBias = true,
            AttentionOutputBias = true,
            MlpBias = true,
            TiedEmbeddings = fields.Flag("tie_word_embeddings", absent: true),
            Dropout = Math.Max(fields.Probability("resid_pdrop", 0.1), Math.Max(fields.Probability("embd_pdrop", 0.1), fields.Probability("attn_pdrop", 0.1))),
            BeginOfTextId = BeginOfText(fields, 50256, vocabularySize),
            EndOfTextIds = EndOfText(fields, 50256, vocabularySize),
        };
    }

    public static DecoderConfig Opt(HubConfigFields fields)
    {
        RefuseCommon(fields);
        fields.Require("do_layer_norm_before", supported: true);
        fields.Require("layer_norm_elementwise_affine", supported: true);

        int vocabularySize = fields.Size("vocab_size");
        int hiddenSize = fields.Size("hidden_size");
        int numHeads = fields.Size("num_attention_heads");
        if (fields.Size("word_embed_proj_dim", absent: hiddenSize) != hiddenSize)
        {
            throw fields.Unsupported("word_embed_proj_dim", $"supported: hidden_size, which is {hiddenSize}");
        }

        bool biases = fields.Flag("enable_bias", absent: true);
        return new DecoderConfig
        {
            ModelType = "opt",
            VocabularySize = vocabularySize,
            HiddenSize = hiddenSize,
            NumLayers = fields.LayerCount("num_hidden_layers"),
            NumHeads = numHeads,
            NumKeyValueHeads = numHeads,
            HeadSize = HeadSize(fields, "hidden_size", hiddenSize, "num_attention_heads", numHeads),
            IntermediateSize = fields.Size("ffn_dim"),
            MaxPositions = fields.Size("max_position_embeddings", absent: 2048),
            Norm = NormKind.LayerNorm,
            NormEpsilon = OptNormEpsilon,
            Activation = Activation(fields, "activation_function", "relu"),
            GatedMlp = false,
            LearnedPositionOffset = 2,
            QueryKeyValueBias = biases,
            AttentionOutputBias = biases,
            MlpBias = biases,
            PaddingId = Padding(fields, 1, vocabularySize),
            FinalNorm = !fields.Flag("_remove_final_layer_norm", absent: false),
            TiedEmbeddings = fields.Flag("tie_word_embeddings", absent: true),
            Dropout = Math.Max(fields.Probability("dropout", 0.1), fields.Probability("attention_dropout", 0)),
            BeginOfTextId = BeginOfText(fields, 2, vocabularySize),
            EndOfTextIds = EndOfText(fields, 2, vocabularySize),
        };
    }

    public static DecoderConfig Llama(HubConfigFields fields)
    {
        int numHeads = fields.Size("num_attention_heads");
        bool attentionBias = fields.Flag("attention_bias", absent: false);
        return Rotary(fields, "llama", fields.Size("num_key_value_heads", absent: numHeads), maxPositions: 2048, beginOfText: 1, endOfText: 2) with
        {
            QueryKeyValueBias = attentionBias,
            AttentionOutputBias = attentionBias,
            MlpBias = fields.Flag("mlp_bias", absent: false),
        };
    }

    public static DecoderConfig Mistral(HubConfigFields fields) =>
        Rotary(fields, "mistral", KeyValueHeads(fields, absent: 8), maxPositions: 4096 * 32, beginOfText: 1, endOfText: 2) with
        {
            SlidingWindow = HubConfigWindow.Mistral(fields),
        };

    public static DecoderConfig Qwen2(HubConfigFields fields)
    {
        DecoderConfig config = Rotary(fields, "qwen2", KeyValueHeads(fields, absent: 32), maxPositions: 32768, beginOfText: null, endOfText: null);
        return config with { QueryKeyValueBias = true, SlidingWindow = HubConfigWindow.Qwen(fields, config.NumLayers) };
    }

    public static DecoderConfig Qwen3(HubConfigFields fields)
    {
        DecoderConfig config = Rotary(fields, "qwen3", KeyValueHeads(fields, absent: 32), maxPositions: 32768, beginOfText: null, endOfText: null, absentHeadSize: 128);
        bool attentionBias = fields.Flag("attention_bias", absent: false);
        return config with
        {
            QueryKeyValueBias = attentionBias,
            AttentionOutputBias = attentionBias,
            QueryKeyNorm = true,
            SlidingWindow = HubConfigWindow.Qwen(fields, config.NumLayers),
        };
    }

    /// <summary>What llama and its descendants share: RMSNorm, rotary positions, gated MLP, no biases.</summary>
    private static DecoderConfig Rotary(
        HubConfigFields fields, string modelType, int numKeyValueHeads, int maxPositions, int? beginOfText, int? endOfText, int? absentHeadSize = null)
    {
        RefuseCommon(fields);
        HubConfigWindow.RefuseOtherLayers(fields, slidingMayOccur: modelType != "llama");
        int vocabularySize = fields.Size("vocab_size");
        int hiddenSize = fields.Size("hidden_size");
        int numHeads = fields.Size("num_attention_heads");
        if (numHeads % numKeyValueHeads != 0)
        {
            throw fields.Inconsistent("num_key_value_heads", $"expected a divisor of num_attention_heads, which is {numHeads}, found {numKeyValueHeads}{(fields.Has("num_key_value_heads") ? "" : $" (the default of {modelType})")}");
        }

        // An absent key and null differ here: null asks for the quotient even where the family has a default.
        int headSize = fields.OptionalSize("head_dim")
            ?? (absentHeadSize is { } size && !fields.Names.Contains("head_dim") ? size : HeadSize(fields, "hidden_size", hiddenSize, "num_attention_heads", numHeads));
        if ((long)headSize * numHeads > int.MaxValue)
        {
            throw fields.Inconsistent("head_dim", $"{numHeads} heads of {headSize} are too wide");
        }

        return new DecoderConfig
        {
            ModelType = modelType,
            VocabularySize = vocabularySize,
            HiddenSize = hiddenSize,
            NumLayers = fields.LayerCount("num_hidden_layers"),
            NumHeads = numHeads,
            NumKeyValueHeads = numKeyValueHeads,
            HeadSize = headSize,
            IntermediateSize = fields.Size("intermediate_size"),
            MaxPositions = fields.Size("max_position_embeddings", absent: maxPositions),
            Norm = NormKind.RmsNorm,
            NormEpsilon = fields.Positive("rms_norm_eps", 1e-6),
            Activation = Activation(fields, "hidden_act", "silu"),
            GatedMlp = true,
            Rope = HubConfigRope.Read(fields, headSize),
            QueryKeyValueBias = false,
            AttentionOutputBias = false,
            MlpBias = false,
            TiedEmbeddings = fields.Flag("tie_word_embeddings", absent: false),
            Dropout = fields.Probability("attention_dropout", 0),
            BeginOfTextId = BeginOfText(fields, beginOfText, vocabularySize),
            PaddingId = Padding(fields, absent: null, vocabularySize),
            EndOfTextIds = EndOfText(fields, endOfText, vocabularySize),
        };
    }

    private static void RefuseCommon(HubConfigFields fields)
    {
        fields.Require("is_encoder_decoder", supported: false);
        fields.Require("add_cross_attention", supported: false);
        if (fields.Has("quantization_config"))
        {
            throw fields.Unsupported("quantization_config", "quantised checkpoints are not supported; name the model in float32, float16 or bfloat16");
        }

        if (fields.Size("pretraining_tp", absent: 1) != 1)
        {
            throw fields.Unsupported("pretraining_tp", "supported: 1");
        }
    }

    /// <summary>Null means as many as query heads; an absent key means the family's default.</summary>
    private static int KeyValueHeads(HubConfigFields fields, int absent) =>
        fields.OptionalSize("num_key_value_heads") ?? (fields.Names.Contains("num_key_value_heads") ? fields.Size("num_attention_heads") : absent);

    private static int HeadSize(HubConfigFields fields, string hiddenName, int hiddenSize, string headsName, int numHeads) =>
        hiddenSize % numHeads == 0
            ? hiddenSize / numHeads
            : throw fields.Inconsistent(hiddenName, $"expected a multiple of {headsName}, which is {numHeads}, found {hiddenSize}");

    private static ActivationKind Activation(HubConfigFields fields, string name, string absent) => (fields.OptionalString(name) ?? absent) switch
    {
        "silu" or "swish" => ActivationKind.Silu,
        "gelu" => ActivationKind.Gelu,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => ActivationKind.GeluTanh,
        "relu" => ActivationKind.Relu,
        _ => throw fields.Unsupported(name, "supported: silu, swish, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu"),
    };

    // Ids outside the vocabulary are dropped: small models often keep the ids of the large one they imitate (gpt2's 50256).
    private static int? BeginOfText(HubConfigFields fields, int? absent, int vocabularySize) =>
        fields.TokenIds("bos_token_id", absent).Where(id => id >= 0 && id < vocabularySize).Select(id => (int?)id).FirstOrDefault();

    /// <summary>A negative id counts from the end, as torch's padding_idx does.</summary>
    private static int? Padding(HubConfigFields fields, int? absent, int vocabularySize) =>
        fields.TokenIds("pad_token_id", absent)
            .Select(id => id < 0 ? id + vocabularySize : id)
            .Where(id => id >= 0 && id < vocabularySize)
            .Select(id => (int?)id)
            .FirstOrDefault();

    private static IReadOnlyList<int> EndOfText(HubConfigFields fields, int? absent, int vocabularySize) =>
        [.. fields.TokenIds("eos_token_id", absent).Where(id => id >= 0 && id < vocabularySize)];
}
