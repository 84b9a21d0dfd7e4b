using System.Text.Json;
using Offload.Engine.Tokenization;
using Offload.Storage;

namespace Offload.Engine.Verification;

/// <summary>A tokenizer case: texts, their ids and what the ids decode to, all exactly equal.</summary>
internal static class TokenizerCase
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Runs the case.</summary>
    public static CaseResult Run(string folder)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(folder);
        int wrongIds = 0;
        int wrongTexts = 0;
        string? first = null;
        foreach (ExpectedText expected in Read(Path.Combine(folder, "expected.json")))
        {
            // As Hugging Face encodes by default: with the begin of text, where the tokenizer adds one.
            List<int> ids = tokenizer.BeginOfTextId is int begin ? [begin] : [];
            tokenizer.Encode(expected.Text, ids);
            if (!ids.SequenceEqual(expected.Ids))
            {
                wrongIds++;
                first ??= $"'{expected.Text}': expected ids [{string.Join(", ", expected.Ids)}], found [{string.Join(", ", ids)}]";
            }

            string decoded = tokenizer.Decode([.. expected.Ids]);
            if (expected.Decoded is not null && decoded != expected.Decoded)
            {
                wrongTexts++;
                first ??= $"'{expected.Text}': expected decoded '{expected.Decoded}', found '{decoded}'";
            }
        }

        var errors = new Dictionary<string, double> { ["wrongIds"] = wrongIds, ["wrongDecoded"] = wrongTexts };
        return new CaseResult(Path.GetFileName(folder), "tokenizer", first is null ? CaseStatus.Passed : CaseStatus.Failed, errors, first);
    }

    private static ExpectedText[] Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<ExpectedText[]>(File.ReadAllBytes(path), Options) ?? throw new JsonException("expected a list, found null");
        }
        catch (JsonException error)
        {
            throw new UnreadableInputException(path, error.Message, "see docs/verify.md for the layout of a reference case", error);
        }
    }

    private sealed record ExpectedText(string Text, IReadOnlyList<int> Ids, string? Decoded);
}
