using System.Text.Json;
using Offload.Tests.Infrastructure;

namespace Offload.Cli.Tests;

public sealed class VerifyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-verify-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Verify_SupportedCasesHold_Exits0AndCountsTheOthersApart()
    {
        Copy("llama");
        Copy("tokenizer-gpt2");
        Copy("mixtral");
        Copy("llama-lora");

        CliRun run = CliRun.InProcess("verify", _folder, "--json");

        Assert.Equal(0, run.ExitCode);
        JsonElement result = run.LastJson;
        Assert.Equal(["passed", "failed", "unsupported", "cases"], result.EnumerateObject().Select(property => property.Name));
        Assert.Equal((2, 0, 2), (result.GetProperty("passed").GetInt32(), result.GetProperty("failed").GetInt32(), result.GetProperty("unsupported").GetInt32()));
        JsonElement[] cases = [.. result.GetProperty("cases").EnumerateArray()];
        Assert.All(cases, one => Assert.Equal(["name", "kind", "status", "errors", "detail"], one.EnumerateObject().Select(property => property.Name)));
        Assert.Equal(
            [("llama", "model", "passed"), ("llama-lora", "adapter", "unsupported"), ("mixtral", "model", "unsupported"), ("tokenizer-gpt2", "tokenizer", "passed")],
            cases.Select(one => (one.GetProperty("name").GetString(), one.GetProperty("kind").GetString(), one.GetProperty("status").GetString())));
        Assert.InRange(cases[0].GetProperty("errors").GetProperty("weights").GetDouble(), 0, 1e-4);
    }

    [Fact]
    public void Verify_OneCaseFails_Exits1AndSaysWhy()
    {
        Copy("llama");
        Copy("tokenizer-gpt2");
        File.Delete(Path.Combine(_folder, "llama", "batch.safetensors"));

        CliRun run = CliRun.InProcess("verify", _folder);

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("FAILED       llama", run.Output);
        Assert.Contains("batch.safetensors", run.Output);
        Assert.EndsWith("1 passed, 1 failed, 0 unsupported\n", run.Output);
    }

    [Fact]
    public void Verify_CaseHolds_TellsItsErrorsInShort()
    {
        Copy("llama");

        CliRun run = CliRun.InProcess("verify", _folder);

        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"(?m)^ok +llama .*  gradients \d\.\de-\d\d  .*weights \d\.\de-\d\d\b", run.Output);
    }

    [Fact]
    public void Verify_NothingSupported_IsNotVerified()
    {
        Copy("llama-lora");

        CliRun run = CliRun.InProcess("verify", _folder);

        Assert.Equal(1, run.ExitCode);
        Assert.EndsWith("0 passed, 0 failed, 1 unsupported\n", run.Output);
    }

    private void Copy(string name)
    {
        foreach (string file in Directory.GetFiles(Path.Combine(GoldenFolder.Repository, name), "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(_folder, Path.GetRelativePath(GoldenFolder.Repository, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }
}
