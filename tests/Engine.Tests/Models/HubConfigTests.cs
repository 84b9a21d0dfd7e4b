using System.Text;
using System.Text.Json.Nodes;
using Offload.Engine.Models;

namespace Offload.Engine.Tests.Models;

public class HubConfigTests
{
    internal const string MinimalRotary =
        """{"vocab_size":160,"hidden_size":32,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":72}""";

    internal const string MinimalGpt2 = """{"model_type":"gpt2","vocab_size":160,"n_embd":32,"n_layer":3,"n_head":4}""";

    internal const string MinimalOpt =
        """{"model_type":"opt","vocab_size":160,"hidden_size":32,"num_hidden_layers":3,"num_attention_heads":4,"ffn_dim":72}""";

    internal static DecoderConfig Parse(string json) => HubConfig.Parse(Encoding.UTF8.GetBytes(json), "config.json");

    /// <summary>A family's smallest config with the fields of <paramref name="edits"/> added or replaced.</summary>
    internal static DecoderConfig Parse(string modelType, string edits, params string[] removed)
    {
        string minimal = modelType switch { "gpt2" => MinimalGpt2, "opt" => MinimalOpt, _ => MinimalRotary };
        JsonObject config = JsonNode.Parse(minimal)!.AsObject();
        config["model_type"] = modelType;
        foreach ((string name, JsonNode? value) in JsonNode.Parse(edits)!.AsObject())
        {
            config[name] = value?.DeepClone();
        }

        foreach (string name in removed)
        {
            config.Remove(name);
        }

        return Parse(config.ToJsonString());
    }

    [Fact]
    public void Parse_Gpt2WithDefaults_MeansWhatTransformersMeans()
    {
        DecoderConfig config = Parse("gpt2", "{}");

        Assert.Equal(
            new DecoderConfig
            {
                ModelType = "gpt2",
                VocabularySize = 160,
                HiddenSize = 32,
                NumLayers = 3,
                NumHeads = 4,
                NumKeyValueHeads = 4,
                HeadSize = 8,
                IntermediateSize = 128,
                MaxPositions = 1024,
                Norm = NormKind.LayerNorm,
                NormEpsilon = 1e-5,
                Activation = ActivationKind.GeluTanh,
                GatedMlp = false,
                LearnedPositionOffset = 0,
                QueryKeyValueBias = true,
                AttentionOutputBias = true,
                MlpBias = true,
                TiedEmbeddings = true,
                Dropout = 0.1,
                EndOfTextIds = config.EndOfTextIds,
            },
            config);
        Assert.Empty(config.EndOfTextIds);
    }

    [Fact]
    public void Parse_Gpt2WithValues_TakesThem()
    {
        DecoderConfig config = Parse(
            "gpt2",
            """
            {"n_inner":48,"n_positions":77,"layer_norm_epsilon":1e-3,"activation_function":"relu","tie_word_embeddings":false,"vocab_size":50257,
             "resid_pdrop":0,"embd_pdrop":0.25,"attn_pdrop":0,"summary_first_dropout":0.9}
            """);

        Assert.Equal((48, 77, 1e-3, ActivationKind.Relu), (config.IntermediateSize, config.MaxPositions, config.NormEpsilon, config.Activation));
        Assert.False(config.TiedEmbeddings);
        Assert.Equal(0.25, config.Dropout);
        Assert.Equal(50256, config.BeginOfTextId);
        Assert.Equal([50256], config.EndOfTextIds);
    }

    [Fact]
    public void Parse_OptWithDefaults_MeansWhatTransformersMeans()
    {
        DecoderConfig config = Parse("opt", "{}");

        Assert.Equal(
            new DecoderConfig
            {
                ModelType = "opt",
                VocabularySize = 160,
                HiddenSize = 32,
                NumLayers = 3,
                NumHeads = 4,
                NumKeyValueHeads = 4,
                HeadSize = 8,
                IntermediateSize = 72,
                MaxPositions = 2048,
                Norm = NormKind.LayerNorm,
                NormEpsilon = 1e-5,
                Activation = ActivationKind.Relu,
                GatedMlp = false,
                LearnedPositionOffset = 2,
                QueryKeyValueBias = true,
                AttentionOutputBias = true,
                MlpBias = true,
                TiedEmbeddings = true,
                Dropout = 0.1,
                PaddingId = 1,
                BeginOfTextId = 2,
                EndOfTextIds = config.EndOfTextIds,
            },
            config);
        Assert.Equal([2], config.EndOfTextIds);
    }

    [Fact]
    public void Parse_OptWithoutBiasesAndFinalNorm_SaysSo()
    {
        DecoderConfig config = Parse("opt", """{"enable_bias":false,"_remove_final_layer_norm":true,"word_embed_proj_dim":32,"dropout":0.0,"attention_dropout":0.05}""");

        Assert.Equal((false, false, false, false), (config.QueryKeyValueBias, config.AttentionOutputBias, config.MlpBias, config.FinalNorm));
        Assert.Equal(0.05, config.Dropout);
    }

    [Theory]
    [InlineData("llama", 2048, 1, 2, null, false, false)]
    [InlineData("mistral", 131072, 1, 2, 4096, false, false)]
    [InlineData("qwen2", 32768, null, null, null, true, false)]
    [InlineData("qwen3", 32768, null, null, null, false, true)]
    public void Parse_RotaryFamilyWithDefaults_MeansWhatTransformersMeans(
        string modelType, int maxPositions, int? beginOfText, int? endOfText, int? window, bool queryKeyValueBias, bool queryKeyNorm)
    {
        DecoderConfig config = Parse(modelType, "{}");

        Assert.Equal(
            new DecoderConfig
            {
                ModelType = modelType,
                VocabularySize = 160,
                HiddenSize = 32,
                NumLayers = 3,
                NumHeads = 4,
                NumKeyValueHeads = 2,
                HeadSize = modelType == "qwen3" ? 128 : 8,
                IntermediateSize = 72,
                MaxPositions = maxPositions,
                Norm = NormKind.RmsNorm,
                NormEpsilon = 1e-6,
                Activation = ActivationKind.Silu,
                GatedMlp = true,
                Rope = new RopeConfig(RopeKind.Default, 10000),
                QueryKeyValueBias = queryKeyValueBias,
                AttentionOutputBias = false,
                MlpBias = false,
                QueryKeyNorm = queryKeyNorm,
                TiedEmbeddings = false,
                SlidingWindow = window,
                BeginOfTextId = beginOfText,
                EndOfTextIds = config.EndOfTextIds,
            },
            config);
        Assert.Equal(endOfText is { } id ? [id] : [], config.EndOfTextIds);
    }

    [Fact]
    public void Parse_LlamaWithBiases_TakesThem()
    {
        DecoderConfig config = Parse("llama", """{"attention_bias":true,"mlp_bias":true,"hidden_act":"gelu","rms_norm_eps":1e-5,"attention_dropout":0.2,"tie_word_embeddings":true}""");

        Assert.Equal((true, true, true, true), (config.QueryKeyValueBias, config.AttentionOutputBias, config.MlpBias, config.TiedEmbeddings));
        Assert.Equal((ActivationKind.Gelu, 1e-5, 0.2), (config.Activation, config.NormEpsilon, config.Dropout));
    }

    [Fact]
    public void Parse_Qwen3WithAttentionBias_AppliesItToAllProjections()
    {
        DecoderConfig config = Parse("qwen3", """{"attention_bias":true,"head_dim":16}""");

        Assert.Equal((true, true, false, 16), (config.QueryKeyValueBias, config.AttentionOutputBias, config.MlpBias, config.HeadSize));
    }

    [Theory]
    [InlineData("llama", "{}", 4)]
    [InlineData("llama", """{"num_key_value_heads":null}""", 4)]
    [InlineData("mistral", """{"num_key_value_heads":null}""", 4)]
    [InlineData("qwen2", """{"num_key_value_heads":null}""", 4)]
    [InlineData("mistral", """{"num_attention_heads":16}""", 8)]
    [InlineData("qwen2", """{"num_attention_heads":32,"hidden_size":64}""", 32)]
    public void Parse_KeyValueHeadsAbsentOrNull_AreTransformersOnes(string modelType, string edits, int expected)
    {
        string[] removed = edits.Contains("num_key_value_heads", StringComparison.Ordinal) ? [] : ["num_key_value_heads"];

        Assert.Equal(expected, Parse(modelType, edits, removed).NumKeyValueHeads);
    }

    [Theory]
    [InlineData("llama", """{"head_dim":null}""", 8)]
    [InlineData("qwen3", """{"head_dim":null}""", 8)]
    [InlineData("mistral", """{"head_dim":24}""", 24)]
    [InlineData("qwen2", """{"head_dim":12}""", 12)]
    public void Parse_HeadDim_OverridesTheQuotient(string modelType, string edits, int expected) =>
        Assert.Equal(expected, Parse(modelType, edits).HeadSize);

    [Theory]
    [InlineData("silu", ActivationKind.Silu)]
    [InlineData("swish", ActivationKind.Silu)]
    [InlineData("gelu", ActivationKind.Gelu)]
    [InlineData("gelu_new", ActivationKind.GeluTanh)]
    [InlineData("gelu_pytorch_tanh", ActivationKind.GeluTanh)]
    [InlineData("gelu_fast", ActivationKind.GeluTanh)]
    [InlineData("relu", ActivationKind.Relu)]
    public void Parse_Activation_MapsTheHubsName(string name, object expected)
    {
        Assert.Equal(expected, Parse("llama", $$"""{"hidden_act":"{{name}}"}""").Activation);
        Assert.Equal(expected, Parse("gpt2", $$"""{"activation_function":"{{name}}"}""").Activation);
    }

    [Theory]
    [InlineData("""{"torch_dtype":"float8_e4m3fn"}""")]
    [InlineData("""{"dtype":7}""")]
    public void Parse_StoredType_IsTheCheckpointsToTell(string edits) => Assert.Equal(32, Parse("llama", edits).HiddenSize);

    [Theory]
    [InlineData("opt", "{}", 1)]
    [InlineData("opt", """{"pad_token_id":5}""", 5)]
    [InlineData("opt", """{"pad_token_id":null}""", null)]
    [InlineData("llama", "{}", null)]
    [InlineData("mistral", "{}", null)]
    [InlineData("qwen2", "{}", null)]
    [InlineData("qwen3", "{}", null)]
    [InlineData("llama", """{"pad_token_id":0}""", 0)]
    [InlineData("llama", """{"pad_token_id":-1}""", 159)]
    [InlineData("llama", """{"pad_token_id":-160}""", 0)]
    [InlineData("llama", """{"pad_token_id":-161}""", null)]
    [InlineData("llama", """{"pad_token_id":160}""", null)]
    [InlineData("gpt2", "{}", null)]
    [InlineData("gpt2", """{"pad_token_id":5}""", null)]
    public void Parse_PadToken_IsTheEmbeddingsPaddingIndex(string modelType, string edits, int? expected) =>
        Assert.Equal(expected, Parse(modelType, edits).PaddingId);

    [Fact]
    public void Parse_TokenIds_ListNullAndOutOfVocabulary()
    {
        Assert.Equal([5, 7], Parse("llama", """{"eos_token_id":[5,7]}""").EndOfTextIds);
        Assert.Equal([7], Parse("llama", """{"eos_token_id":[160,7,-1]}""").EndOfTextIds);
        Assert.Empty(Parse("llama", """{"eos_token_id":null}""").EndOfTextIds);
        Assert.Null(Parse("llama", """{"bos_token_id":null}""").BeginOfTextId);
        Assert.Null(Parse("llama", """{"bos_token_id":160}""").BeginOfTextId);
        Assert.Equal(0, Parse("llama", """{"bos_token_id":0}""").BeginOfTextId);
    }

    [Fact]
    public void Parse_ByteOrderMark_IsSkipped() => Assert.Equal("gpt2", Parse("\uFEFF" + MinimalGpt2).ModelType);

    [Fact]
    public void Load_FolderOrFile_ReadsTheSame()
    {
        string folder = Directory.CreateTempSubdirectory("offload-config-").FullName;
        try
        {
            string path = Path.Combine(folder, "config.json");
            File.WriteAllText(path, MinimalGpt2);

            Assert.Equal(32, HubConfig.Load(folder).HiddenSize);
            Assert.Equal(32, HubConfig.Load(path).HiddenSize);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
