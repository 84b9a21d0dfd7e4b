using Offload.DemoAssets.Text;

namespace Offload.DemoAssets.Stories;

/// <summary>
/// Makes simple children's stories by seed, out of the grammar in <c>plots.txt</c> and the words in <c>lexicon.txt</c>. Story i
/// of a seed is always the same, however many are made. Safe to share between threads.
/// </summary>
internal sealed class StoryGenerator(ulong seed)
{
    private readonly Grammar _grammar = Grammar.FromResources("Stories/lexicon.txt", "Stories/plots.txt");

    /// <summary>The stories 0 to <paramref name="count"/> - 1.</summary>
    public IEnumerable<string> Generate(int count) => Enumerable.Range(0, count).Select(Story);

    /// <summary>The story of an index, some 60 to 250 words in paragraphs.</summary>
    public string Story(int storyIndex)
    {
        var random = new SeededRandom(seed, (ulong)storyIndex);
        var expander = new GrammarExpander(_grammar, random);
        bool isHeroFemale = random.Next(2) == 0;

        // Two thirds of the friends are of the other sex, so that "he" and "she" mostly tell who is meant.
        bool isFriendFemale = random.Next(3) == 0 ? isHeroFemale : !isHeroFemale;
        SetMainCharacter(expander, random, "hero", isHeroFemale);
        SetMainCharacter(expander, random, "friend", isFriendFemale);

        bool isHelperFemale = random.Next(2) == 0;
        SetPronouns(expander, "helper", isHelperFemale);
        expander.SetVariable("helper", expander.ExpandRule(isHelperFemale ? "helper-she" : "helper-he"));

        bool isParentFemale = random.Next(2) == 0;
        SetPronouns(expander, "parent", isParentFemale);
        string possessive = isHeroFemale ? "her" : "his";
        expander.SetVariable("parent", $"{possessive} {expander.ExpandRule(isParentFemale ? "parent-she" : "parent-he")}");

        return Prose.FixArticles(Prose.Finish(expander.ExpandRule("story")));
    }

    private static void SetMainCharacter(GrammarExpander expander, SeededRandom random, string role, bool isFemale)
    {
        bool isChild = random.Next(5) < 3;
        string kind = isChild ? (isFemale ? "girl" : "boy") : expander.ExpandRule("animal");
        expander.SetVariable(role, expander.ExpandRule(isFemale ? "girl" : "boy"));
        expander.SetVariable($"{role}.kind", kind);
        expander.SetVariable($"{role}.intro", expander.ExpandText(random.Next(2) == 0 ? $"a {kind}" : $"a {{trait}} {kind}"));
        expander.SetVariable($"{role}.home", expander.ExpandRule(isChild ? "home-child" : "home-animal"));
        SetPronouns(expander, role, isFemale);
    }

    private static void SetPronouns(GrammarExpander expander, string role, bool isFemale)
    {
        expander.SetVariable($"{role}.he", isFemale ? "she" : "he");
        expander.SetVariable($"{role}.him", isFemale ? "her" : "him");
        expander.SetVariable($"{role}.his", isFemale ? "her" : "his");
        expander.SetVariable($"{role}.himself", isFemale ? "herself" : "himself");
    }
}
