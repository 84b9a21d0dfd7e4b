using System.Text;

namespace Offload.DemoAssets.Text;

/// <summary>
/// Expands one text out of a grammar. <c>{name}</c> is a variable if one was set, else a fresh draw of that rule;
/// <c>{@name}</c> is drawn once for the whole text, <c>{@name#2}</c> is a second such draw; <c>:1</c> picks the second of an
/// alternative's forms, which <c>" / "</c> separates; <c>[a|b]</c> is a choice. An alternative comes up again only after all
/// others of its rule did, so a text seldom repeats itself. Not thread-safe; one object a text.
/// </summary>
internal sealed class GrammarExpander(Grammar grammar, SeededRandom random)
{
    private const string FormSeparator = " / ";

    private readonly Dictionary<string, string> _variables = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _bound = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<int>> _used = new(StringComparer.Ordinal);

    /// <summary>Sets what <c>{name}</c> stands for; taken literally.</summary>
    public void SetVariable(string name, string value) => _variables[name] = value;

    /// <summary>A fresh draw of a rule, expanded. Starts of sentences are marked for <see cref="Prose.Finish"/>.</summary>
    /// <exception cref="FormatException">A rule is missing or a bracket is not closed.</exception>
    public string ExpandRule(string rule)
    {
        string text = ExpandText(Form(Draw(rule), 0));
        return text.Length > 0 && ".?!\"".Contains(text[^1], StringComparison.Ordinal) ? Prose.SentenceMark + text : text;
    }

    /// <summary>Expands a text's references and choices.</summary>
    /// <exception cref="FormatException">A rule is missing or a bracket is not closed.</exception>
    public string ExpandText(string template)
    {
        var result = new StringBuilder();
        for (int index = 0; index < template.Length;)
        {
            if (template[index] is not ('{' or '['))
            {
                result.Append(template[index++]);
                continue;
            }

            int end = FindClosing(template, index);
            string inner = template[(index + 1)..end];
            result.Append(template[index] == '{' ? Resolve(inner) : ExpandText(Choose(inner)));
            index = end + 1;
        }

        return result.ToString();
    }

    private static string Form(string alternative, int formIndex)
    {
        string[] forms = alternative.Split(FormSeparator);
        return forms[Math.Min(formIndex, forms.Length - 1)];
    }

    private static int FindClosing(string template, int start)
    {
        int depth = 0;
        for (int index = start; index < template.Length; index++)
        {
            depth += template[index] switch { '{' or '[' => 1, '}' or ']' => -1, _ => 0 };
            if (depth == 0)
            {
                return index;
            }
        }

        throw new FormatException($"A bracket is not closed in \"{template}\".");
    }

    private string Resolve(string reference)
    {
        if (_variables.TryGetValue(reference, out string? value))
        {
            return value;
        }

        if (!reference.StartsWith('@'))
        {
            return ExpandRule(reference);
        }

        string[] keyAndForm = reference[1..].Split(':');
        string key = keyAndForm[0];
        if (!_bound.TryGetValue(key, out string? alternative))
        {
            alternative = Draw(key.Split('#')[0]);
            _bound.Add(key, alternative);
        }

        return ExpandText(Form(alternative, keyAndForm.Length > 1 ? int.Parse(keyAndForm[1]) : 0));
    }

    private string Draw(string rule)
    {
        IReadOnlyList<string> alternatives = grammar.Alternatives(rule);
        if (!_used.TryGetValue(rule, out HashSet<int>? used))
        {
            _used.Add(rule, used = []);
        }

        if (used.Count == alternatives.Count)
        {
            used.Clear();
        }

        int index;
        do
        {
            index = random.Next(alternatives.Count);
        }
        while (!used.Add(index));
        return alternatives[index];
    }

    private string Choose(string inner)
    {
        // Only bars outside of nested brackets separate the choices.
        var choices = new List<string>();
        int depth = 0;
        int start = 0;
        for (int index = 0; index < inner.Length; index++)
        {
            depth += inner[index] switch { '{' or '[' => 1, '}' or ']' => -1, _ => 0 };
            if (depth == 0 && inner[index] == '|')
            {
                choices.Add(inner[start..index]);
                start = index + 1;
            }
        }

        choices.Add(inner[start..]);
        return choices[random.Next(choices.Count)];
    }
}
