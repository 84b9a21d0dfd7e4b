using System.Reflection;

namespace Offload.DemoAssets.Text;

/// <summary>
/// A grammar of text: named rules, each with alternatives. As a file: a rule's name and a colon at the start of a line, its
/// alternatives on the indented lines below (a first one may follow the colon); lines that start with <c>#</c> are comments.
/// Immutable, so safe to share between threads.
/// </summary>
internal sealed class Grammar
{
    private readonly Dictionary<string, List<string>> _rules = new(StringComparer.Ordinal);

    private Grammar()
    {
    }

    /// <summary>The names of all rules, in the order of the files.</summary>
    public IEnumerable<string> RuleNames => _rules.Keys;

    /// <summary>Reads a grammar out of this program's own resources; rules of several files stand side by side.</summary>
    /// <exception cref="FormatException">A line is neither a rule nor an alternative, or a rule is there twice.</exception>
    public static Grammar FromResources(params ReadOnlySpan<string> resourceNames)
    {
        var grammar = new Grammar();
        foreach (string name in resourceNames)
        {
            using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
                ?? throw new FormatException($"The resource {name} is missing.");
            using var reader = new StreamReader(stream);
            grammar.Add(reader, name);
        }

        return grammar;
    }

    /// <summary>Parses a grammar from text.</summary>
    /// <exception cref="FormatException">A line is neither a rule nor an alternative, or a rule is there twice.</exception>
    public static Grammar Parse(string text)
    {
        var grammar = new Grammar();
        using var reader = new StringReader(text);
        grammar.Add(reader, "text");
        return grammar;
    }

    /// <summary>True if there is a rule of that name.</summary>
    public bool Contains(string rule) => _rules.ContainsKey(rule);

    /// <summary>The alternatives of a rule, at least one.</summary>
    /// <exception cref="FormatException">There is no such rule.</exception>
    public IReadOnlyList<string> Alternatives(string rule)
    {
        return _rules.TryGetValue(rule, out List<string>? alternatives)
            ? alternatives
            : throw new FormatException($"The grammar has no rule named {rule}.");
    }

    private void Add(TextReader reader, string source)
    {
        List<string>? current = null;
        int lineNumber = 0;
        while (reader.ReadLine() is { } line)
        {
            lineNumber++;
            if (string.IsNullOrWhiteSpace(line) || line.StartsWith('#'))
            {
                continue;
            }

            if (char.IsWhiteSpace(line[0]))
            {
                (current ?? throw new FormatException($"{source}, line {lineNumber}: an alternative without a rule.")).Add(line.Trim());
                continue;
            }

            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0 || !_rules.TryAdd(line[..colon], current = []))
            {
                throw new FormatException($"{source}, line {lineNumber}: expected a new rule name and a colon, found \"{line}\".");
            }

            if (line[(colon + 1)..].Trim() is { Length: > 0 } first)
            {
                current.Add(first);
            }
        }
    }
}
