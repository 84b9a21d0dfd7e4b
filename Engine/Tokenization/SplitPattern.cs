using System.Globalization;
using System.Text;

namespace Offload.Engine.Tokenization;

/// <summary>
/// Translates a split pattern of a tokenizer.json, written for Oniguruma (its own syntax, UTF-8), into a .NET pattern that matches the
/// same. Only what means the same, or can be said exactly, is let through; all else is a <see cref="FormatException"/> that names it.
/// Literals leave as \uXXXX so that no character is special by accident, and letters under (?i:) leave as the set of the characters
/// that fold to them, long s and the Kelvin sign included, so that .NET's own case rules never come into play.
/// </summary>
internal sealed class SplitPattern
{
    private static readonly HashSet<string> Categories =
    [
        "C", "Cc", "Cf", "Cn", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No",
        "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
    ];

    private readonly string _source;
    private readonly StringBuilder _output = new();
    private readonly List<(char First, char Last)> _explicit = [];
    private int _position;

    private SplitPattern(string source)
    {
        _source = source;
    }

    /// <summary>The characters that the pattern names one by one or in ranges, case variants included.</summary>
    public IReadOnlyList<(char First, char Last)> ExplicitRanges => _explicit;

    /// <summary>The .NET pattern; to be compiled with no options but CultureInvariant and Compiled.</summary>
    public string DotNetPattern => _output.ToString();

    /// <exception cref="FormatException">A part of the pattern is not supported; the message names it and its place.</exception>
    public static SplitPattern Translate(string source)
    {
        var pattern = new SplitPattern(source);
        bool ignoreCase = pattern.Take("(?i)");
        pattern.Alternatives(ignoreCase, depth: 0);
        if (pattern._position < source.Length)
        {
            throw pattern.Unsupported(")", "closes nothing");
        }

        return pattern;
    }

    private bool AtEnd => _position >= _source.Length;

    private char Next => _source[_position];

    private void Alternatives(bool ignoreCase, int depth)
    {
        if (depth > 50)
        {
            throw Unsupported("(", "groups deeper than 50");
        }

        while (!AtEnd && Next != ')')
        {
            if (Take("|"))
            {
                _output.Append('|');
                continue;
            }

            int atomStart = _output.Length;
            Atom(ignoreCase, depth);
            Quantifier(atomStart);
        }
    }

    private void Atom(bool ignoreCase, int depth)
    {
        char next = Next;
        switch (next)
        {
            case '(':
                Group(ignoreCase, depth);
                break;
            case '[':
                Class(ignoreCase);
                break;
            case '\\':
                Escape(ignoreCase, inClass: false);
                break;
            case '.':
                _position++;
                _output.Append(@"[^\n]");
                break;
            case '^' or '$' or '*' or '+' or '?' or '{':
                throw Unsupported(next.ToString(), "here");
            default:
                _position++;
                Literal(next, ignoreCase, inClass: false);
                break;
        }
    }

    private void Group(bool ignoreCase, int depth)
    {
        int start = _position;
        if (Take("(?i:"))
        {
            ignoreCase = true;
            _output.Append("(?:");
        }
        else
        {
            string? opening = Array.Find(["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"], Take);
            if (opening is null)
            {
                if (_source.AsSpan(_position).StartsWith("(?"))
                {
                    throw Unsupported(_source.Substring(_position, Math.Min(4, _source.Length - _position)), "as a group");
                }

                _position++;
                opening = "(?:"; // captures mean nothing here: back references are refused
            }

            _output.Append(opening);
        }

        Alternatives(ignoreCase, depth + 1);
        if (!Take(")"))
        {
            _position = start;
            throw Unsupported("(", "is never closed");
        }

        _output.Append(')');
    }

    private void Quantifier(int atomStart)
    {
        if (AtEnd)
        {
            return;
        }

        bool interval = Next == '{';
        if (interval)
        {
            Interval();
        }
        else if (Next is '*' or '+' or '?')
        {
            _output.Append(_source[_position++]);
        }
        else
        {
            return;
        }

        if (AtEnd || Next is not ('*' or '+' or '?' or '{'))
        {
            return;
        }

        // After an interval Oniguruma reads ? and + differently by syntax; nothing needs them there.
        if (!interval && Take("?"))
        {
            _output.Append('?');
        }
        else if (!interval && Take("+"))
        {
            _output.Insert(atomStart, "(?>").Append(')');
        }
        else
        {
            throw Unsupported(Next.ToString(), "after a quantifier");
        }

        if (!AtEnd && Next is '*' or '+' or '?' or '{')
        {
            throw Unsupported(Next.ToString(), "after a quantifier");
        }
    }

    private void Interval()
    {
        int end = _source.IndexOf('}', _position);
        string inside = end < 0 ? "" : _source[(_position + 1)..end];
        string[] bounds = inside.Split(',');
        if (bounds.Length > 2
            || !int.TryParse(bounds[0].Length == 0 && bounds.Length == 2 ? "0" : bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out int low)
            || !int.TryParse(bounds[^1].Length == 0 && low > 0 ? "1000" : bounds[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int high)
            || high < low || high > 1000)
        {
            throw Unsupported("{", "that is no interval {n}, {n,}, {,m} or {n,m} up to 1000");
        }

        _output.Append(bounds.Length == 2 && bounds[1].Length == 0 ? $"{{{low},}}" : $"{{{low},{high}}}");
        _position = end + 1;
    }

    private void Class(bool ignoreCase)
    {
        int start = _position++;
        _output.Append('[');
        if (Take("^"))
        {
            if (ignoreCase)
            {
                throw Unsupported("[^", "under (?i)");
            }

            _output.Append('^');
        }

        if (!AtEnd && Next == ']')
        {
            throw Unsupported("]", "first in a class");
        }

        bool first = true;
        while (!AtEnd && Next != ']')
        {
            if (Next == '[' || _source.AsSpan(_position).StartsWith("&&"))
            {
                throw Unsupported(Next.ToString(), "in a class, unescaped");
            }

            if (Next == '-' && !first && !_source.AsSpan(_position).StartsWith("-]"))
            {
                throw Unsupported("-", "in the middle of a class, unescaped");
            }

            ClassItem(ignoreCase);
            first = false;
        }

        if (!Take("]"))
        {
            _position = start;
            throw Unsupported("[", "is never closed");
        }

        _output.Append(']');
    }

    private void ClassItem(bool ignoreCase)
    {
        char? low = Next == '\\' ? Escape(ignoreCase, inClass: true) : _source[_position++];
        if (low is null)
        {
            return;
        }

        bool range = !AtEnd && Next == '-' && _position + 1 < _source.Length && _source[_position + 1] != ']';
        if (!range)
        {
            Literal(low.Value, ignoreCase, inClass: true);
            return;
        }

        _position++;
        if (Next == '[')
        {
            throw Unsupported("[", "in a class, unescaped");
        }

        char high = (Next == '\\' ? Escape(ignoreCase, inClass: true) : _source[_position++])
            ?? throw Unsupported("-", "before something that is no character");
        if (high < low)
        {
            throw Unsupported("-", "in a range that runs backwards");
        }

        if (ignoreCase)
        {
            for (char c = low.Value; c <= high; c++)
            {
                Literal(c, ignoreCase, inClass: true);
            }
        }
        else
        {
            RequireWhole(low.Value);
            RequireWhole(high);
            _explicit.Add((low.Value, high));
            _output.Append(Code(low.Value)).Append('-').Append(Code(high));
        }
    }

    /// <summary>Writes what stands for a set; in a class, returns a character instead of writing it, since a range may follow.</summary>
    private char? Escape(bool ignoreCase, bool inClass)
    {
        if (_position + 1 >= _source.Length)
        {
            throw Unsupported("\\", "at the end");
        }

        char kind = _source[_position + 1];
        switch (kind)
        {
            case 's' or 'S' or 'd' or 'D':
                _position += 2;
                _output.Append('\\').Append(kind);
                return null;
            case 'p' or 'P':
                Property(ignoreCase);
                return null;
        }

        char literal = kind switch
        {
            'r' => '\r',
            'n' => '\n',
            't' => '\t',
            'f' => '\f',
            'v' => '\v',
            _ when char.IsAscii(kind) && !char.IsAsciiLetterOrDigit(kind) => kind,
            _ => throw Unsupported("\\" + kind, "as an escape"),
        };
        _position += 2;
        if (inClass)
        {
            return literal;
        }

        Literal(literal, ignoreCase, inClass: false);
        return null;
    }

    private void Property(bool ignoreCase)
    {
        int end = _source.IndexOf('}', _position);
        string name = end > _position + 3 && _source[_position + 2] == '{' ? _source[(_position + 3)..end] : "";
        bool negated = name.StartsWith('^');
        if (!Categories.Contains(negated ? name[1..] : name))
        {
            throw Unsupported(end < 0 ? _source[_position..] : _source[_position..(end + 1)], "as a property (only general categories are)");
        }

        if (ignoreCase)
        {
            throw Unsupported(_source[_position..(end + 1)], "under (?i)");
        }

        bool upper = _source[_position + 1] == 'P';
        _output.Append(upper == negated ? @"\p{" : @"\P{").Append(negated ? name[1..] : name).Append('}');
        _position = end + 1;
    }

    private void Literal(char literal, bool ignoreCase, bool inClass)
    {
        RequireWhole(literal);
        if (!ignoreCase || !char.IsAsciiLetter(literal))
        {
            if (ignoreCase && !char.IsAscii(literal))
            {
                throw Unsupported(literal.ToString(), "under (?i)");
            }

            _explicit.Add((literal, literal));
            _output.Append(Code(literal));
            return;
        }

        string variants = string.Concat(char.ToLowerInvariant(literal), char.ToUpperInvariant(literal)) + char.ToLowerInvariant(literal) switch
        {
            's' => "\u017F",
            'k' => "\u212A",
            _ => "",
        };
        _output.Append(inClass ? "" : "[");
        foreach (char variant in variants)
        {
            _explicit.Add((variant, variant));
            _output.Append(Code(variant));
        }

        _output.Append(inClass ? "" : "]");
    }

    private void RequireWhole(char literal)
    {
        if (char.IsSurrogate(literal))
        {
            throw Unsupported("a character beyond U+FFFF", "as a literal");
        }
    }

    private static string Code(char literal) => $"\\u{(int)literal:X4}";

    private bool Take(string expected)
    {
        bool found = _source.AsSpan(_position).StartsWith(expected, StringComparison.Ordinal);
        _position += found ? expected.Length : 0;
        return found;
    }

    private FormatException Unsupported(string what, string how) =>
        new($"the pattern has {what} {how}, at character {_position + 1}, which is not supported");
}
