using Offload.Engine.Parallelism;
using Offload.Engine.Verification;
namespace Offload.Engine.Tests;
public class ScratchTests
{
    [Theory]
    [InlineData("llama")] [InlineData("llama3-tied")] [InlineData("mistral")] [InlineData("qwen2")] [InlineData("qwen3")] [InlineData("gpt2")] [InlineData("opt")]
    public void Run(string name)
    {
        using var threads = new ParallelRanges(2);
        CaseResult r = new ModelCase("/work/shared/golden/" + name, threads).Run();
        TestContext.Current.SendDiagnosticMessage("x");
        File.AppendAllText("/tmp/verify.txt", $"{name} {r.Status} {string.Join(" ", r.Errors.Select(e => $"{e.Key}={e.Value:E1}"))} {r.Detail}\n");
        Assert.Equal(CaseStatus.Passed, r.Status);
    }
}
