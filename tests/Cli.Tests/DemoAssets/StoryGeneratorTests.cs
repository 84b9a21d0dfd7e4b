using Offload.DemoAssets.Stories;

namespace Offload.Cli.Tests.DemoAssets;

public sealed class StoryGeneratorTests
{
    [Fact]
    public void Generate_SameSeed_GivesTheSameStories()
    {
        Assert.Equal(new StoryGenerator(7).Generate(20), new StoryGenerator(7).Generate(20));
        Assert.NotEqual(new StoryGenerator(7).Generate(20), new StoryGenerator(8).Generate(20));
    }

    [Fact]
    public void Generate_ManyStories_AreCleanAndDifferent()
    {
        List<string> stories = [.. new StoryGenerator(1).Generate(1000)];

        Assert.Equal(stories.Count, stories.Distinct().Count());
        Assert.All(stories, story =>
        {
            Assert.InRange(story.Split(' ', '\n').Count(word => word.Length > 0), 50, 250);
            Assert.DoesNotContain(story, character => "{}[]|^~".Contains(character) || character > 126);
            Assert.DoesNotMatch(@"  |[.!?] [a-z]|\.[""] [a-z]|\b[Aa] [aeiou]", story);
            Assert.Matches(@"^[A-Z].*[.!?""]$", story.Replace('\n', ' '));
            Assert.Equal(0, story.Count(character => character == '"') % 2);
        });
    }
}
