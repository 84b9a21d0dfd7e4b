namespace Offload.Engine.Tokenization;

/// <summary>What is read of a tokenizer_config.json; all of it may be missing.</summary>
/// <param name="BeginToken">bos_token, or null.</param>
/// <param name="EndToken">eos_token, or null.</param>
/// <param name="AddBeginToken">add_bos_token, or null.</param>
/// <param name="Legacy">legacy: how the prefix space of a tokenizer.model is put; or null.</param>
/// <param name="File">The file, for messages.</param>
internal sealed record TokenizerConfig(string? BeginToken, string? EndToken, bool? AddBeginToken, bool? Legacy, string File)
{
    public const string FileName = "tokenizer_config.json";

    /// <exception cref="Storage.UnreadableInputException">The file is there but cannot be read.</exception>
    public static TokenizerConfig Load(string modelFolder)
    {
        string file = Path.Combine(modelFolder, FileName);
        if (!System.IO.File.Exists(file))
        {
            return new TokenizerConfig(null, null, null, null, file);
        }

        JsonPart root = JsonPart.Load(file);
        return new TokenizerConfig(
            Token(root, "bos_token"),
            Token(root, "eos_token"),
            root.Optional("add_bos_token")?.Flag(),
            root.Optional("legacy")?.Flag(),
            file);
    }

    /// <summary>The id that begins a text: what the tokenizer itself adds, unless the configuration says otherwise.</summary>
    /// <exception cref="Storage.UnreadableInputException">add_bos_token asks for a token that is not there.</exception>
    public int? BeginOfTextId(int? byTokenizer, Func<string, int?> idOf) => AddBeginToken switch
    {
        null => byTokenizer,
        false => null,
        true when BeginToken is null => throw new Storage.UnreadableInputException(
            $"{File}: add_bos_token", "is true, but no bos_token is given", "Name the token, or set add_bos_token to false."),
        true => Find("bos_token", BeginToken, idOf),
    };

    /// <summary>The id that ends a text: eos_token, else what the tokenizer itself adds.</summary>
    /// <exception cref="Storage.UnreadableInputException">eos_token is not in the vocabulary.</exception>
    public int? EndOfTextId(int? byTokenizer, Func<string, int?> idOf) => EndToken is null ? byTokenizer : Find("eos_token", EndToken, idOf);

    private int Find(string field, string token, Func<string, int?> idOf) => idOf(token) ?? throw new Storage.UnreadableInputException(
        $"{File}: {field}", $"'{token}' is not in the tokenizer's vocabulary", "The two files may belong to different models.");

    private static string? Token(JsonPart root, string name)
    {
        JsonPart? part = root.Optional(name);
        return part?.Kind == System.Text.Json.JsonValueKind.Object ? part.Value.Text("content") : part?.Text();
    }
}
