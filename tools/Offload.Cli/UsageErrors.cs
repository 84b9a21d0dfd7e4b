using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Offload.Profiles;

namespace Offload.Cli;

/// <summary>Turns what the command line parser found wrong into one <see cref="UsageException"/>.</summary>
internal static class UsageErrors
{
    /// <summary>The first error as message; the nearest known names, or where to look, as hint.</summary>
    internal static UsageException Explain(ParseResult parsed, ParseErrorAction action)
    {
        string[] path = [.. CommandPath(parsed)];
        string help = $"'{string.Join(' ', ["offload", .. path, "--help"])}' lists what there is";
        if (parsed.UnmatchedTokens.Count == 0 && parsed.CommandResult.Command.Subcommands.Count > 0)
        {
            return new UsageException("no command given", help);
        }

        // An unknown word is the cause of whatever else is wrong, such as a required option that it was meant to be.
        string message = parsed.UnmatchedTokens.Count > 0 ? $"unknown {KindOf(parsed)} '{parsed.UnmatchedTokens[0]}'" : parsed.Errors[0].Message;
        string[] names = Suggestions(parsed, action);
        return new UsageException(message, names.Length > 0 ? $"did you mean {string.Join(" or ", names)}?" : help);
    }

    /// <summary>The first option or argument with an empty text as value, which none has a use for: as a path it would mean the current folder. Null: there is none.</summary>
    internal static UsageException? FindEmptyValue(ParseResult parsed)
    {
        int place = parsed.Tokens.ToList().FindIndex(token => token.Value.Length == 0);
        if (place < 0)
        {
            return null;
        }

        string name = place > 0 && parsed.Tokens[place - 1].Type == TokenType.Option
            ? parsed.Tokens[place - 1].Value
            : parsed.CommandResult.Command.Arguments.FirstOrDefault()?.HelpName ?? "argument";
        return new UsageException($"{name}: expected a value, found an empty text", "a variable of the shell may have been empty");
    }

    private static string KindOf(ParseResult parsed) =>
        parsed.UnmatchedTokens[0].StartsWith('-') ? "option" : parsed.CommandResult.Command.Subcommands.Count > 0 ? "command" : "argument";

    private static Stack<string> CommandPath(ParseResult parsed)
    {
        var names = new Stack<string>();
        for (SymbolResult? result = parsed.CommandResult; result is CommandResult { Command: not RootCommand } command; result = result.Parent)
        {
            names.Push(command.Command.Name);
        }

        return names;
    }

    // The library tells its suggestions only as text: "'--stesp' was not matched. Did you mean one of the following?", then a
    // name a line. For an option it also names short ones, and for a value options, which nobody can have meant.
    private static string[] Suggestions(ParseResult parsed, ParseErrorAction action)
    {
        if (parsed.UnmatchedTokens.Count == 0)
        {
            return [];
        }

        action.ShowHelp = false;
        action.ShowTypoCorrections = true;
        using var text = new StringWriter();
        parsed.Invoke(new InvocationConfiguration { Output = text, Error = TextWriter.Null });
        string wrong = parsed.UnmatchedTokens[0];
        string start = wrong.StartsWith('-') ? "--" : "";
        return [.. text.ToString().Split('\n', StringSplitOptions.TrimEntries)
            .SkipWhile(line => !line.StartsWith($"'{wrong}'", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(line => line.Length > 0 && line[0] != '\'')
            .Where(name => name.StartsWith(start, StringComparison.Ordinal) && name.StartsWith('-') == wrong.StartsWith('-'))];
    }
}
