using System.Text.Json.Nodes;
using Offload.Tests.Infrastructure;

namespace Offload.Cli.Tests;

/// <summary>What a new user gets wrong: one line that says what, a hint where there is advice, the documented exit code, and no folder left behind.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly TrainFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Model_MissingOrAFile_Exits5()
    {
        _folder.Model = _folder["absent"];
        Check(5, $"{_folder["absent"]}: no such folder or file");
        _folder.Model = _folder.Data;
        Check(5, $"{_folder.Data}: expected a folder, found a file");
    }

    [Fact]
    public void Config_Malformed_Exits5AndNamesTheField()
    {
        string config = Path.Combine(_folder.Model, "config.json");
        File.WriteAllText(config, """{"model_type":"llama" """);
        Check(5, $"{config}: not valid JSON");
        Change(root => root["hidden_size"] = "wide");
        Check(5, $"{config}: hidden_size: expected a positive whole number");
        Change(root => root.Remove("num_hidden_layers"));
        Check(5, $"{config}: num_hidden_layers: missing");
        Change(root => root["model_type"] = "bert");
        Check(5, $"{config}: model_type: found \"bert\"; supported: gpt2, llama");
        Change(root => root["hidden_act"] = "softplus");
        Check(5, $"{config}: hidden_act: ");
        File.Delete(config);
        Check(5, $"{_folder.Model}: no config.json in this folder");
    }

    [Fact]
    public void Weights_MissingTruncatedOrOfAnotherShape_Exits5()
    {
        Check(5, $"{_folder.Model}: expected model.safetensors or model.safetensors.index.json, found neither", fromScratch: false);
        Assert.Equal(0, _folder.Train("--from-scratch", "--output", _folder["source"]).ExitCode);
        string weights = Path.Combine(_folder.Model, "model.safetensors");
        File.Copy(Path.Combine(_folder["source"], "model", "model.safetensors"), weights);
        Change(root => root["intermediate_size"] = 48);
        Check(5, $"{_folder.Model}: tensor 'model.layers.0.mlp.gate_proj.weight': expected shape [48, 32] by config.json, found [64, 32]", fromScratch: false);
        Change(_ => { });
        using (FileStream file = File.OpenWrite(weights))
        {
            file.SetLength(file.Length / 2);
        }

        Check(5, weights, fromScratch: false, further: "the file is truncated");
        File.WriteAllText(weights, "not a safetensors file, but long enough for a header");
        Check(5, weights, fromScratch: false);
    }

    [Fact]
    public void Tokenizer_MissingOrOfAnotherModel_Exits5()
    {
        Change(root => root["vocab_size"] = 100);
        Check(5, $"{_folder.Data}", further: "the tokenizer does not match the model: it gives id");
        File.Delete(Path.Combine(_folder.Model, "tokenizer.json"));
        Check(5, $"{_folder.Model}: has neither tokenizer.json nor tokenizer.model");
    }

    [Theory]
    [InlineData("e.txt", "", "the data file is empty")]
    [InlineData("e.jsonl", "\n\n", "the data file holds no documents")]
    [InlineData("e.jsonl", "{\"text\":\"a b\"}\nnope\n", "not JSON")]
    [InlineData("e.jsonl", "{\"txt\":\"a b\"}\n", "no field \"text\"")]
    [InlineData("e.csv", "a,b\n", "unknown kind of data file")]
    [InlineData("absent.txt", null, "no such data file")]
    public void Data_Unusable_Exits5(string name, string? text, string expected)
    {
        if (text is not null)
        {
            File.WriteAllText(_folder[name], text);
        }

        _folder.Data = _folder[name];
        Check(5, _folder[name], further: expected);
    }

    [Theory]
    [InlineData("--seq-len", "129", "--seq-len 129: expected at most 128, the model's max_position_embeddings")]
    [InlineData("--seq-len", "1", "--seq-len: expected at least 2 tokens, found 1")]
    [InlineData("--tokens-per-step", "15", "--tokens-per-step 15: expected at least --seq-len, 16")]
    [InlineData("--dtype", "float16", "--dtype: expected float32 or bfloat16, found 'float16'")]
    [InlineData("--lr", "fast", "--lr: expected a number of at least 0, found 'fast'")]
    [InlineData("--steps", "0", "--steps: expected a whole number of at least 1, found '0'")]
    [InlineData("--beta1", "1", "--beta1: expected a number from 0 to below 1, found 1")]
    [InlineData("--eval-fraction", "1", "--eval-fraction: expected a number of at least 0 and below 1, found 1")]
    [InlineData("--checkpoint-every", "0", "--checkpoint-every: expected a number above 0, found 0")]
    [InlineData("--device", "gpu", "--device: expected cpu, cuda or cuda:N, found 'gpu'")]
    [InlineData("--cpu-memory", "much", "--cpu-memory: expected a size such as 12GiB or 64MiB, found 'much'")]
    public void Option_OutOfRange_Exits2(string option, string value, string expected) => Check(2, expected, args: [option, value]);

    [Fact]
    public void SlidingWindow_ShorterThanTheSequences_Exits2()
    {
        Change(root =>
        {
            root["model_type"] = "mistral";
            root["sliding_window"] = 8;
        });
        Check(2, "--seq-len 16: expected at most 8, the model's sliding_window");
    }

    [Fact]
    public void CpuMemory_TooSmall_Exits3AndSaysByHowMuch()
    {
        CliRun run = Check(3, "training with all states in memory needs ", args: ["--cpu-memory", "100KiB"]);

        Assert.Matches(@"needs [\d.]+ MiB \(410\.62 KiB states, .* but --cpu-memory is 100\.00 KiB: [\d.]+ MiB short\n", run.Error);
    }

    [Fact]
    public void Output_AFileOrNotWritable_IsSaid()
    {
        Check(2, $"--output {_folder.Data}: expected a folder, found a file", args: ["--output", _folder.Data]);
        Check(1, $"{_folder.Data}: cannot make the folder", args: ["--output", $"{_folder.Data}/run"]);
        Check(1, "/proc/offload-run: cannot ", args: ["--output", "/proc/offload-run"]);
    }

    [Fact]
    public void RequiredOption_Missing_Exits2()
    {
        foreach (string option in (string[])["--model", "--data", "--output"])
        {
            string[] args = [.. _folder.Args()];
            int place = Array.IndexOf(args, option);
            CliRun run = CliRun.InProcess([.. args[..place], .. args[(place + 2)..]]);

            Assert.Equal(2, run.ExitCode);
            Assert.StartsWith($"error: {option} is missing: expected ", run.Error);
        }
    }

    [Fact]
    public void Generate_BadPromptOrOptions_Exits2()
    {
        Assert.Equal(0, _folder.Train("--from-scratch").ExitCode);
        string model = Path.Combine(_folder.Output, "model");

        Generate(0, "", "--prompt", "the cat", "--max-new-tokens", "3");
        Generate(2, "--prompt: expected at most 127 tokens, one less than the model's positions, found 128", "--prompt", new string('a', 128));
        Generate(2, "--prompt: expected a value, found an empty text", "--prompt", "");
        Generate(2, "--prompt is missing");
        Generate(2, "--top-p: expected a number above 0 and at most 1, found 0", "--prompt", "a", "--top-p", "0");

        void Generate(int exitCode, string expected, params string[] further)
        {
            CliRun run = CliRun.InProcess(["generate", "--model", model, "--threads", "1", .. further]);
            Assert.True(run.ExitCode == exitCode, run.Error);
            Assert.StartsWith(exitCode == 0 ? "" : $"error: {expected}", run.Error);
        }
    }

    private void Change(Action<JsonObject> change) => TinyModel.Write(_folder.Model, change);

    private CliRun Check(int exitCode, string expected, bool fromScratch = true, string? further = null, params string[] args)
    {
        CliRun run = _folder.Train([.. args, .. fromScratch ? (string[])["--from-scratch"] : []]);

        string[] errors = [.. run.Error.Split('\n').Where(line => line.StartsWith("error: ", StringComparison.Ordinal))];
        Assert.True(run.ExitCode == exitCode, run.Error);
        Assert.StartsWith($"error: {expected}", Assert.Single(errors));
        Assert.Contains(further ?? "", errors[0]);
        Assert.DoesNotContain("   at ", run.Error);
        Assert.DoesNotContain("defect", run.Error);
        Assert.False(Directory.Exists(_folder.Output));
        return run;
    }
}
