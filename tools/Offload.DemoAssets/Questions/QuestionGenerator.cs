using Offload.DemoAssets.Text;

namespace Offload.DemoAssets.Questions;

/// <summary>
/// Makes questions and answers about Offload by seed, out of the facts in <c>facts.txt</c>: each fact is asked in several ways,
/// no question comes twice, and the rows are shuffled. Safe to share between threads.
/// </summary>
internal sealed class QuestionGenerator(ulong seed)
{
    // A fact with few phrasings gives fewer rows than asked for: after this many draws without a new one there is none left to find.
    private const int MaxDrawsPerFact = 400;

    private readonly Grammar _grammar = Grammar.FromResources("Questions/facts.txt");

    /// <summary>The rows, each <c>Question: ...</c>, a line feed, <c>Answer: ...</c>; at most <paramref name="numPhrasings"/> a fact.</summary>
    public IReadOnlyList<string> Generate(int numPhrasings)
    {
        var rows = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        ulong factIndex = 0;
        foreach (string rule in _grammar.RuleNames.Where(name => name.StartsWith("q.", StringComparison.Ordinal)))
        {
            AddFact(rule["q.".Length..], new SeededRandom(seed, factIndex++), numPhrasings, seen, rows);
        }

        Shuffle(rows, new SeededRandom(seed, factIndex));
        return rows;
    }

    private static void Shuffle(List<string> rows, SeededRandom random)
    {
        for (int last = rows.Count - 1; last > 0; last--)
        {
            int other = random.Next(last + 1);
            (rows[last], rows[other]) = (rows[other], rows[last]);
        }
    }

    private void AddFact(string fact, SeededRandom random, int numPhrasings, HashSet<string> seen, List<string> rows)
    {
        // One expander a fact: it uses all phrasings and all answers before it repeats one.
        var expander = new GrammarExpander(_grammar, random);
        bool hasTopic = _grammar.Contains($"t.{fact}");
        if (hasTopic)
        {
            expander.SetVariable("topic", expander.ExpandRule($"t.{fact}"));
        }

        int numAdded = 0;
        for (int draw = 0; draw < MaxDrawsPerFact && numAdded < numPhrasings; draw++)
        {
            bool asksForDefinition = hasTopic && random.Next(2) == 0;
            expander.SetVariable("question", Prose.Unmark(expander.ExpandRule(asksForDefinition ? "define" : $"q.{fact}")));
            string question = Prose.Finish(expander.ExpandRule("ask"));
            if (seen.Add(question))
            {
                rows.Add($"Question: {question}\nAnswer: {Prose.Finish(expander.ExpandRule($"a.{fact}"))}");
                numAdded++;
            }
        }
    }
}
