using Offload.Engine.Models;

namespace Offload.Engine.Tests.Models;

public class HubConfigRopeTests
{
    public static TheoryData<string, object> Spellings => new()
    {
        { """{"rope_theta":5000}""", new RopeConfig(RopeKind.Default, 5000) },
        { """{"rope_theta":5000,"rope_scaling":null}""", new RopeConfig(RopeKind.Default, 5000) },
        { """{"rope_parameters":{"rope_type":"default","rope_theta":5000.0}}""", new RopeConfig(RopeKind.Default, 5000) },
        { """{"rope_parameters":{"rope_theta":5000.0}}""", new RopeConfig(RopeKind.Default, 5000) },
        { """{"rope_parameters":{"rope_type":"default"},"rope_theta":5000}""", new RopeConfig(RopeKind.Default, 5000) },
        { """{"rope_scaling":{"type":"default"}}""", new RopeConfig(RopeKind.Default, 10000) },
        { """{"rope_scaling":{"type":"linear","factor":2}}""", new RopeConfig(RopeKind.Linear, 10000, 2) },
        { """{"rope_scaling":{"rope_type":"linear","type":"yarn","factor":2.5},"rope_theta":7}""", new RopeConfig(RopeKind.Linear, 7, 2.5) },
        { """{"rope_parameters":{"rope_type":"linear","factor":4.0,"rope_theta":7}}""", new RopeConfig(RopeKind.Linear, 7, 4) },
        { """{"rope_parameters":{"rope_type":"linear","factor":4.0,"rope_theta":7},"rope_scaling":{}}""", new RopeConfig(RopeKind.Linear, 7, 4) },
        {
            """{"rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64}}""",
            new RopeConfig(RopeKind.Llama3, 500000, 8, 1, 4, 64)
        },
        {
            """{"rope_parameters":{"rope_theta":500000.0,"rope_type":"llama3","factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192}}""",
            new RopeConfig(RopeKind.Llama3, 500000, 32, 1, 4, 8192)
        },
        {
            """{"original_max_position_embeddings":77,"rope_parameters":{"rope_type":"llama3","factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0}}""",
            new RopeConfig(RopeKind.Llama3, 10000, 32, 1, 4, 77)
        },
        { """{"partial_rotary_factor":1.0,"rope_parameters":{"partial_rotary_factor":1}}""", new RopeConfig(RopeKind.Default, 10000) },
    };

    [Theory]
    [MemberData(nameof(Spellings))]
    public void Parse_RopeInAnySpelling_MeansTheSame(string edits, object expected)
    {
        foreach (string modelType in new[] { "llama", "mistral", "qwen2", "qwen3" })
        {
            Assert.Equal(expected, HubConfigTests.Parse(modelType, edits).Rope);
        }
    }

    [Theory]
    [InlineData("mistral", """{"sliding_window":null}""", null)]
    [InlineData("mistral", """{"sliding_window":128}""", 128)]
    [InlineData("mistral", """{"sliding_window":128,"layer_types":["sliding_attention","sliding_attention","sliding_attention"]}""", 128)]
    [InlineData("llama", """{"sliding_window":128}""", null)]
    [InlineData("qwen2", """{"sliding_window":128,"use_sliding_window":false}""", null)]
    [InlineData("qwen2", """{"sliding_window":128,"use_sliding_window":true}""", null)]
    [InlineData("qwen2", """{"sliding_window":128,"use_sliding_window":true,"max_window_layers":3}""", null)]
    [InlineData("qwen2", """{"sliding_window":128,"use_sliding_window":true,"max_window_layers":2}""", 128)]
    [InlineData("qwen3", """{"use_sliding_window":true,"max_window_layers":0}""", 4096)]
    [InlineData("qwen3", """{"sliding_window":null,"use_sliding_window":true,"max_window_layers":0}""", null)]
    [InlineData("qwen3", """{"sliding_window":9,"use_sliding_window":true,"layer_types":["full_attention","full_attention","full_attention"]}""", null)]
    [InlineData("qwen3", """{"sliding_window":9,"use_sliding_window":true,"layer_types":["full_attention","sliding_attention","full_attention"]}""", 9)]
    public void Parse_SlidingWindow_IsTheWindowOfSomeLayer(string modelType, string edits, int? expected) =>
        Assert.Equal(expected, HubConfigTests.Parse(modelType, edits).SlidingWindow);
}
