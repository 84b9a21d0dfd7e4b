namespace Offload.Engine.Tokenization;

/// <summary>A token that is looked for in the text before anything else; flags as in tokenizer.json.</summary>
internal sealed record AddedToken(int Id, string Content)
{
    /// <summary>Matches only where no word character stands right before or after it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Swallows the white space before it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>Swallows the white space after it.</summary>
    public bool RightStrip { get; init; }

    /// <summary>Is looked for in the normalised text, in its own normalised form.</summary>
    public bool Normalized { get; init; }

    /// <summary>Left out by a decode that skips special tokens.</summary>
    public bool Special { get; init; }

    /// <exception cref="Storage.UnreadableInputException">A field is missing or of the wrong type.</exception>
    public static AddedToken Read(JsonPart part, int id) => new(id, part.Text("content"))
    {
        SingleWord = part.Flag("single_word", whenMissing: false),
        LeftStrip = part.Flag("lstrip", whenMissing: false),
        RightStrip = part.Flag("rstrip", whenMissing: false),
        Normalized = part.Flag("normalized", whenMissing: true),
        Special = part.Flag("special", whenMissing: false),
    };
}
