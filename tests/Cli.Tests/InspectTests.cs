using System.Text.Json;
using Offload.Storage;
using Offload.Storage.Safetensors;

namespace Offload.Cli.Tests;

public sealed class InspectTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-inspect-").FullName;

    public InspectTests()
    {
        TensorSpec[] tensors = [new("a.weight", ElementType.BF16, 2, 3), new("b.bias", ElementType.F32, 4)];
        using var writer = new SafetensorsWriter(Path.Combine(_folder, "model.safetensors"), tensors);
        foreach (TensorSpec tensor in tensors)
        {
            writer.BeginTensor(tensor.Name);
            writer.Write(new byte[tensor.SizeBytes]);
            writer.EndTensor();
        }

        writer.Complete();
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Inspect_ModelFolder_TellsConfigTotalsAndTensors()
    {
        WriteConfig("""{"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":3,"sliding_window":null,"bos_token_id":1}""");

        CliRun run = CliRun.InProcess("inspect", _folder);

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(
            $"""
            {_folder}: 2 tensors in 1 file
              model_type: llama
              architectures: LlamaForCausalLM
              hidden_size: 3

            type    tensors       parameters              bytes
            F32           1                4                 16  16 B
            BF16          1                6                 12  12 B
            all           2               10                 28  28 B

            """,
            run.Output[..(run.Output.IndexOf("28 B", StringComparison.Ordinal) + 5)]);
        Assert.Matches(@"a\.weight +BF16 \[2, 3\] +12 B\n", run.Output);
    }

    [Fact]
    public void Inspect_ModelFolderWithJson_IsOneObject()
    {
        WriteConfig("""{"model_type":"llama","hidden_size":3}""");

        CliRun run = CliRun.InProcess("inspect", _folder, "--json");

        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        JsonElement report = run.LastJson;
        Assert.Equal("model", report.GetProperty("kind").GetString());
        Assert.Equal(3, report.GetProperty("config").GetProperty("hidden_size").GetInt32());
        Assert.Equal(10, report.GetProperty("parameters").GetInt64());
        Assert.Equal(28, report.GetProperty("bytes").GetInt64());
        JsonElement tensor = Assert.Single(report.GetProperty("tensors").EnumerateArray(), tensor => tensor.GetProperty("name").GetString() == "a.weight");
        Assert.Equal([2L, 3L], tensor.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt64()));
    }

    [Fact]
    public void Inspect_SafetensorsFile_TellsItsMetadata()
    {
        CliRun run = CliRun.InProcess("inspect", Path.Combine(_folder, "model.safetensors"), "--json");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal("safetensors", run.LastJson.GetProperty("kind").GetString());
        Assert.Equal(JsonValueKind.Object, run.LastJson.GetProperty("metadata").ValueKind);
        Assert.Equal(JsonValueKind.Null, run.LastJson.GetProperty("config").ValueKind);
    }

    [Fact]
    public void Inspect_MissingPath_Exits5()
    {
        CliRun run = CliRun.InProcess("inspect", Path.Combine(_folder, "absent"));

        Assert.Equal(5, run.ExitCode);
        Assert.StartsWith($"error: {_folder}/absent: ", run.Error);
    }

    [Fact]
    public void Inspect_ConfigThatIsNotJson_Exits5AndNamesIt()
    {
        WriteConfig("{");

        CliRun run = CliRun.InProcess("inspect", _folder);

        Assert.Equal(5, run.ExitCode);
        Assert.StartsWith($"error: {_folder}/config.json: expected JSON: ", run.Error);
    }

    [Fact]
    public void Inspect_ConfigWithByteOrderMark_IsRead()
    {
        WriteConfig("\uFEFF{\"model_type\":\"llama\"}");

        Assert.Contains("model_type: llama", CliRun.InProcess("inspect", _folder).Output);
    }

    [Theory]
    [InlineData("""{"model_type":"\ud800"}""")]
    [InlineData("""{"architectures":["\udc00"]}""")]
    [InlineData("""{"rope_scaling":{"type":"\ud800"}}""")]
    [InlineData("""{"rope_scaling":{"\ud800":1}}""")]
    public void Inspect_ConfigWithHalfASurrogatePair_Exits5(string config)
    {
        WriteConfig(config);

        foreach (string[] args in (string[][])[["inspect", _folder], ["inspect", _folder, "--json"]])
        {
            CliRun run = CliRun.InProcess(args);

            Assert.Equal(5, run.ExitCode);
            Assert.StartsWith($"error: {_folder}/config.json: expected Unicode text", run.Error);
        }
    }

    [Fact]
    public void Inspect_ConfigOfTheSizeOfWeights_Exits5WithoutReadingIt()
    {
        using (FileStream file = File.Create(Path.Combine(_folder, "config.json")))
        {
            file.SetLength((16 << 20) + 1);
        }

        CliRun run = CliRun.InProcess("inspect", _folder);

        Assert.Equal(5, run.ExitCode);
        Assert.Contains("are too many for a model's config", run.Error);
    }

    private void WriteConfig(string json) => File.WriteAllText(Path.Combine(_folder, "config.json"), json);
}
