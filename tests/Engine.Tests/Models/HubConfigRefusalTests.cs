using Offload.Engine.Models;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Tests.Models;

public class HubConfigRefusalTests
{
    [Theory]
    [InlineData("mixtral", "{}", "model_type", "\"mixtral\"; sparse experts are not supported yet")]
    [InlineData("qwen3_moe", "{}", "model_type", "\"qwen3_moe\"; sparse experts are not supported yet")]
    [InlineData("deepseek_v3", """{"n_routed_experts":8}""", "model_type", "sparse experts are not supported yet")]
    [InlineData("gpt_oss", """{"num_local_experts":8}""", "model_type", "sparse experts are not supported yet")]
    [InlineData("bert", "{}", "model_type", "found \"bert\"; supported: gpt2, llama, mistral, opt, qwen2, qwen3")]
    [InlineData("llama", """{"model_type":7}""", "model_type", "expected a string, found 7")]
    [InlineData("llama", """{"hidden_act":"quick_gelu"}""", "hidden_act", "found \"quick_gelu\"; supported: silu")]
    [InlineData("gpt2", """{"activation_function":"tanh"}""", "activation_function", "found \"tanh\"")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"yarn","factor":4.0}}""", "rope_scaling.rope_type", "found \"yarn\"; supported: default, linear, llama3")]
    [InlineData("llama", """{"rope_scaling":{"type":"dynamic","factor":4.0}}""", "rope_scaling.type", "found \"dynamic\"")]
    [InlineData("qwen2", """{"rope_parameters":{"rope_type":"longrope"}}""", "rope_parameters.rope_type", "found \"longrope\"")]
    [InlineData("llama", """{"rope_scaling":{"factor":4.0}}""", "rope_scaling.rope_type", "missing")]
    [InlineData("llama", """{"rope_scaling":{"type":"linear"}}""", "rope_scaling.factor", "missing; expected a positive number")]
    [InlineData("llama", """{"rope_scaling":{"type":"linear","factor":"2"}}""", "rope_scaling.factor", "expected a positive number, found \"2\"")]
    [InlineData("llama", """{"rope_scaling":{"type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0}}""", "rope_scaling.original_max_position_embeddings", "missing")]
    [InlineData("llama", """{"rope_scaling":{"type":"llama3","factor":8.0,"low_freq_factor":4.0,"high_freq_factor":4.0}}""", "rope_scaling.high_freq_factor", "expected more than low_freq_factor")]
    [InlineData("llama", """{"rope_scaling":4}""", "rope_scaling", "expected an object, found 4")]
    [InlineData("llama", """{"rope_parameters":{"full_attention":{"rope_theta":1.0}}}""", "rope_parameters.full_attention", "one set of rotary parameters")]
    [InlineData("llama", """{"rope_theta":-1}""", "rope_theta", "expected a positive number, found -1")]
    [InlineData("llama", """{"partial_rotary_factor":0.5}""", "partial_rotary_factor", "found 0.5; supported: 1")]
    [InlineData("llama", """{"rope_parameters":{"partial_rotary_factor":0.25}}""", "rope_parameters.partial_rotary_factor", "found 0.25; supported: 1")]
    [InlineData("llama", """{"hidden_size":0}""", "hidden_size", "expected a positive whole number, at most 268435456, found 0")]
    [InlineData("llama", """{"hidden_size":-32}""", "hidden_size", "found -32")]
    [InlineData("llama", """{"hidden_size":32.5}""", "hidden_size", "found 32.5")]
    [InlineData("llama", """{"hidden_size":"32"}""", "hidden_size", "found \"32\"")]
    [InlineData("llama", """{"vocab_size":99999999999}""", "vocab_size", "found 99999999999")]
    [InlineData("llama", """{"vocab_size":[1]}""", "vocab_size", "found an array")]
    [InlineData("llama", """{"intermediate_size":null}""", "intermediate_size", "missing; expected a positive whole number")]
    [InlineData("llama", """{"num_key_value_heads":3}""", "num_key_value_heads", "expected a divisor of num_attention_heads, which is 4, found 3")]
    [InlineData("llama", """{"num_attention_heads":5,"num_key_value_heads":5}""", "hidden_size", "expected a multiple of num_attention_heads, which is 5, found 32")]
    [InlineData("gpt2", """{"n_head":5}""", "n_embd", "expected a multiple of n_head, which is 5, found 32")]
    [InlineData("llama", """{"head_dim":7}""", "head_dim", "even head size, found 7")]
    [InlineData("llama", """{"hidden_size":36}""", "hidden_size", "even head size, found 9")]
    [InlineData("llama", """{"rms_norm_eps":0}""", "rms_norm_eps", "expected a positive number, found 0")]
    [InlineData("llama", """{"attention_bias":"yes"}""", "attention_bias", "expected true or false, found \"yes\"")]
    [InlineData("llama", """{"attention_dropout":1.5}""", "attention_dropout", "found 1.5")]
    [InlineData("llama", """{"pretraining_tp":2}""", "pretraining_tp", "found 2; supported: 1")]
    [InlineData("llama", """{"is_encoder_decoder":true}""", "is_encoder_decoder", "found true; supported: false")]
    [InlineData("llama", """{"quantization_config":{"quant_method":"gptq"}}""", "quantization_config", "quantised checkpoints are not supported")]
    [InlineData("llama", """{"num_hidden_layers":10001}""", "num_hidden_layers", "expected a positive whole number, at most 10000, found 10001")]
    [InlineData("gpt2", """{"n_layer":268435456}""", "n_layer", "at most 10000")]
    [InlineData("llama", """{"eos_token_id":"x"}""", "eos_token_id", "expected a token id or an array of them, found \"x\"")]
    [InlineData("llama", """{"layer_types":["sliding_attention","full_attention","full_attention"]}""", "layer_types", "found \"sliding_attention\"; supported: full_attention")]
    [InlineData("qwen3", """{"layer_types":["linear_attention","full_attention","full_attention"]}""", "layer_types", "found \"linear_attention\"")]
    [InlineData("qwen3", """{"layer_types":["full_attention"]}""", "layer_types", "num_hidden_layers, which is 3, found 1")]
    [InlineData("qwen3", """{"layer_types":["sliding_attention","full_attention","full_attention"]}""", "layer_types", "use_sliding_window is false")]
    [InlineData("qwen3", """{"layer_types":[1,2,3]}""", "layer_types", "expected an array of strings")]
    [InlineData("mistral", """{"sliding_window":0}""", "sliding_window", "found 0")]
    [InlineData("qwen2", """{"use_sliding_window":true,"max_window_layers":-1}""", "max_window_layers", "expected a whole number of at least 0, found -1")]
    [InlineData("gpt2", """{"scale_attn_weights":false}""", "scale_attn_weights", "found false; supported: true")]
    [InlineData("gpt2", """{"scale_attn_by_inverse_layer_idx":true}""", "scale_attn_by_inverse_layer_idx", "found true; supported: false")]
    [InlineData("gpt2", """{"reorder_and_upcast_attn":true}""", "reorder_and_upcast_attn", "found true; supported: false")]
    [InlineData("gpt2", """{"add_cross_attention":true}""", "add_cross_attention", "found true; supported: false")]
    [InlineData("opt", """{"do_layer_norm_before":false}""", "do_layer_norm_before", "found false; supported: true")]
    [InlineData("opt", """{"layer_norm_elementwise_affine":false}""", "layer_norm_elementwise_affine", "found false; supported: true")]
    [InlineData("opt", """{"word_embed_proj_dim":16}""", "word_embed_proj_dim", "found 16; supported: hidden_size, which is 32")]
    public void Parse_FieldWrongOrUnsupported_NamesFieldValueAndWhatIsSupported(string modelType, string edits, string field, string problem)
    {
        var error = Assert.Throws<UnreadableInputException>(() => HubConfigTests.Parse(modelType, edits));

        Assert.Equal($"config.json: {field}", error.Where);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Equal(ExitCode.UnreadableInput, error.ExitCode);
    }

    [Theory]
    [InlineData("""{"model_type":"\ud800"}""", "model_type")]
    [InlineData("""{"model_type":"llama","layer_types":["\udc00"]}""", "layer_types")]
    [InlineData("""{"model_type":"qwen2","hidden_act":"a\ud800b"}""", "hidden_act")]
    public void Parse_HalfSurrogate_Refused(string json, string field)
    {
        string minimal = HubConfigTests.MinimalRotary;
        var error = Assert.Throws<UnreadableInputException>(() => HubConfigTests.Parse($"{json[..^1]},{minimal[1..]}"));

        Assert.Equal($"config.json: {field}: a string has half a surrogate pair", error.Message);
    }

    [Theory]
    [InlineData("""{"m\ud800":1,"model_type":"llama"}""")]
    [InlineData("""{"model_typ\udc00":"llama","model_type":"llama"}""")]
    public void Parse_HalfSurrogateInAName_IsNoDefect(string json)
    {
        string text = $"{json[..^1]},{HubConfigTests.MinimalRotary[1..]}";
        Exception? error = Record.Exception(() => HubConfigTests.Parse(text));

        Assert.True(error is null or UnreadableInputException, error?.ToString());
    }

    [Fact]
    public void Parse_SizesThatNoMachineHolds_Refused()
    {
        var error = Assert.Throws<UnreadableInputException>(
            () => HubConfigTests.Parse("llama", """{"hidden_size":268435456,"intermediate_size":268435456,"num_hidden_layers":10000}"""));

        Assert.Contains("parameters; at most 1.0e15 are supported", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("llama", "model_type")]
    [InlineData("llama", "vocab_size")]
    [InlineData("mistral", "hidden_size")]
    [InlineData("qwen2", "num_hidden_layers")]
    [InlineData("qwen3", "num_attention_heads")]
    [InlineData("llama", "intermediate_size")]
    [InlineData("gpt2", "n_embd")]
    [InlineData("gpt2", "n_layer")]
    [InlineData("gpt2", "n_head")]
    [InlineData("opt", "ffn_dim")]
    public void Parse_RequiredFieldMissing_NamesIt(string modelType, string field)
    {
        var error = Assert.Throws<UnreadableInputException>(() => HubConfigTests.Parse(modelType, "{}", field));

        Assert.StartsWith($"config.json: {field}: missing; expected a", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "not valid JSON (line 1, byte 1)")]
    [InlineData("{\n \"model_type\": gpt2}", "not valid JSON (line 2, byte 16)")]
    [InlineData("[]", "expected a JSON object, found an array")]
    [InlineData("\"x\"", "expected a JSON object, found \"x\"")]
    public void Parse_NotAnObject_SaysWhere(string json, string problem)
    {
        var error = Assert.Throws<UnreadableInputException>(() => HubConfigTests.Parse(json));

        Assert.Equal($"config.json: {problem}", error.Message);
    }

    [Fact]
    public void Load_NothingThere_SaysWhatIsMissing()
    {
        string folder = Directory.CreateTempSubdirectory("offload-config-").FullName;
        try
        {
            var noConfig = Assert.Throws<UnreadableInputException>(() => HubConfig.Load(folder));
            Assert.Equal($"{folder}: no config.json in this folder", noConfig.Message);
            Assert.NotNull(noConfig.Hint);

            string missing = Path.Combine(folder, "missing");
            var noFolder = Assert.Throws<UnreadableInputException>(() => HubConfig.Load(missing));
            Assert.Equal($"{missing}: no such folder or file", noFolder.Message);

            string large = Path.Combine(folder, "model.safetensors");
            using (FileStream file = File.Create(large))
            {
                file.SetLength(17 << 20);
            }

            Assert.Contains("too many for a model's config", Assert.Throws<UnreadableInputException>(() => HubConfig.Load(large)).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
