using System.Text.Json;
using System.Text.Json.Nodes;
using Offload.Engine.Tests.Data;
using Offload.Engine.Verification;
using Offload.Storage;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Verification;

[Collection(nameof(ProcessWide))]
public sealed class VerifierTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public static TheoryData<string> Cases => [.. GoldenFolder.Cases("*")];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_ReferenceCase_PassesIfItsKindIsSupported(string name)
    {
        Directory.CreateSymbolicLink(_folder[name], GoldenFolder.Case(name));

        CaseResult result = Assert.Single(Run(_folder.Path));

        Assert.Equal(name, result.Name);
        CaseStatus expected = IsSupported(GoldenFolder.Case(name)) ? CaseStatus.Passed : CaseStatus.Unsupported;
        Assert.True(result.Status == expected, $"{result.Status}: {result.Detail}");
        if (result.Kind == "model" && expected == CaseStatus.Passed)
        {
            Assert.All((string[])["logits", "gradients", "losses", "gradNorms", "weights"], quantity => Assert.Contains(quantity, result.Errors.Keys));
        }
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    public void Run_OneWeightIsWrong_Fails(string name)
    {
        string copy = Copy(name);
        // The last tensor's last element.
        byte[] bytes = File.ReadAllBytes(Path.Combine(copy, "model.safetensors"));
        BitConverter.TryWriteBytes(bytes.AsSpan(^4..), BitConverter.ToSingle(bytes.AsSpan(^4..)) + 0.05f);
        File.WriteAllBytes(Path.Combine(copy, "model.safetensors"), bytes);

        CaseResult result = Assert.Single(Run(_folder.Path));

        Assert.Equal(CaseStatus.Failed, result.Status);
        Assert.Contains("largest against its limit", result.Detail);
    }

    [Fact]
    public void Run_OneExpectedWeightIsWrong_FailsAndNamesIt()
    {
        string copy = Copy("llama");
        byte[] bytes = File.ReadAllBytes(Path.Combine(copy, "expected.safetensors"));
        (string name, int end) = EndOfFirst(bytes, "after.");
        BitConverter.TryWriteBytes(bytes.AsSpan(end - 4), BitConverter.ToSingle(bytes.AsSpan(end - 4)) + 1f);
        File.WriteAllBytes(Path.Combine(copy, "expected.safetensors"), bytes);

        CaseResult result = Assert.Single(Run(_folder.Path));

        Assert.Equal(CaseStatus.Failed, result.Status);
        Assert.Contains($"weights of {name["after.".Length..]}", result.Detail);
    }

    [Fact]
    public void Run_OneTokenIdIsWrong_FailsAndShowsBoth()
    {
        string copy = Copy("tokenizer-gpt2");
        string path = Path.Combine(copy, "expected.json");
        JsonArray expected = JsonNode.Parse(File.ReadAllBytes(path))!.AsArray();
        JsonArray ids = expected.First(item => item!["ids"]!.AsArray().Count > 0)!["ids"]!.AsArray();
        ids[0] = ids[0]!.GetValue<int>() + 1;
        File.WriteAllText(path, expected.ToJsonString());

        CaseResult result = Assert.Single(Run(_folder.Path));

        Assert.Equal(CaseStatus.Failed, result.Status);
        Assert.Equal(1, result.Errors["wrongIds"]);
        Assert.Contains("expected ids", result.Detail);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("expected.safetensors")]
    [InlineData("batch.safetensors")]
    public void Run_FileIsMissing_FailsAndNamesIt(string file)
    {
        File.Delete(Path.Combine(Copy("llama"), file));

        CaseResult result = Assert.Single(Run(_folder.Path));

        Assert.Equal(CaseStatus.Failed, result.Status);
        Assert.Contains(file, result.Detail);
    }

    [Fact]
    public void Run_FolderOfNoKind_IsUnsupported()
    {
        Directory.CreateDirectory(_folder["other"]);

        CaseResult result = Assert.Single(Run(_folder.Path));

        Assert.Equal(("unknown", CaseStatus.Unsupported), (result.Kind, result.Status));
    }

    [Fact]
    public void Run_MissingOrEmptyFolder_IsUnreadable()
    {
        Assert.Throws<UnreadableInputException>(() => Run(_folder["absent"]));
        Assert.Throws<UnreadableInputException>(() => Run(_folder.Path));
    }

    private static IReadOnlyList<CaseResult> Run(string folder) => Verifier.Run(folder, _ => { }, TestContext.Current.CancellationToken);

    private static bool IsSupported(string folder)
    {
        if (Directory.Exists(Path.Combine(folder, "adapter")))
        {
            return false;
        }

        string config = Path.Combine(folder, "config.json");
        return !File.Exists(config) || JsonNode.Parse(File.ReadAllBytes(config))!["model_type"]!.GetValue<string>() is not ("mixtral" or "qwen3_moe");
    }

    private static (string Name, int End) EndOfFirst(byte[] file, string prefix)
    {
        int headerBytes = (int)BitConverter.ToInt64(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, headerBytes));
        JsonProperty tensor = header.RootElement.EnumerateObject().First(property => property.Name.StartsWith(prefix, StringComparison.Ordinal));
        return (tensor.Name, 8 + headerBytes + tensor.Value.GetProperty("data_offsets")[1].GetInt32());
    }

    private string Copy(string name)
    {
        Directory.CreateDirectory(_folder[name]);
        foreach (string file in Directory.GetFiles(Path.Combine(GoldenFolder.Repository, name)))
        {
            File.Copy(file, Path.Combine(_folder[name], Path.GetFileName(file)));
        }

        return _folder[name];
    }
}
