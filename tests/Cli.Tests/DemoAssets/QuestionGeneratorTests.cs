using System.Text;
using Offload.DemoAssets.Questions;
using Offload.DemoAssets.Text;

namespace Offload.Cli.Tests.DemoAssets;

public sealed class QuestionGeneratorTests
{
    [Fact]
    public void Generate_DefaultOptions_GivesTheCommittedFile()
    {
        string regenerated = string.Concat(new QuestionGenerator(1).Generate(numPhrasings: 7).Select(row => JsonLines.ToLine(row) + "\n"));

        Assert.Equal(Encoding.UTF8.GetString(DemoResources.Read("questions.jsonl")), regenerated);
    }

    [Fact]
    public void Generate_AnySeed_AsksNoQuestionTwice()
    {
        IReadOnlyList<string> rows = new QuestionGenerator(5).Generate(numPhrasings: 4);

        Assert.All(rows, row => Assert.Matches(@"^Question: [^\n^{}|]+[.?]\nAnswer: [^\n^{}|]+\.$", row));
        Assert.Equal(rows.Count, rows.Select(row => row.Split('\n')[0]).Distinct().Count());
    }
}
